// A keyboard on the screen: Latin, its accents, Cyrillic, Greek, and Chinese by its sound. Other scripts come from a real keyboard.
import QtQuick

Item {
    id: keyboard
    LayoutMirroring.enabled: false  // no keyboard is mirrored
    LayoutMirroring.childrenInherit: true
    property var field
    property bool shift: true
    property int sheet: door.pinyin && door.language === "zh" ? names.length - 1 : 0
    property string typed: ""  // letters of a syllable that still wait for their character
    property int first: 0
    readonly property var names: ["abc", "áöñ", "абв", "αβγ", "123"].concat(door.pinyin ? ["中文"] : [])
    readonly property var layers: [
        ["qwertyuiop", "asdfghjkl", "zxcvbnm'-"],
        ["áàâäãåæçčć", "éèêëěíîïłñ", "óöôøõśšúüžß"],
        ["йцукенгшщзх", "фывапролджэ", "ячсмитьбюёї"],
        ["ςερτυθιοπή", "ασδφγηξκλά", "ζχψωβνμόίύώ"],
        ["1234567890", ".,'’-–()/", "&@+ʼ·ªº"],
        ["qwertyuiop", "asdfghjkl", "zxcvbnm"],
    ]
    readonly property bool chinese: sheet === 5
    readonly property var found: chinese && typed !== "" ? door.hanzi(typed) : []
    readonly property int rows: chinese ? 5 : 4
    readonly property real gap: Math.max(3, window.unit * 0.7)
    readonly property real row: (height - (rows - 1) * gap) / rows
    readonly property real letter: (height - 4 * gap) / 5  // of every sheet the same, so that letters do not jump
    readonly property real key: Math.max(48, Math.min((width - 10 * gap) / 11, height * 0.4))

    function type(letter) {
        if (chinese && letter !== " ") { first = 0; typed = (typed + letter).slice(0, 6); return }
        if (typed !== "") { if (found.length) choose(found[0]); return }
        field.insert(shift ? letter.toUpperCase() : letter)
        shift = letter === " " || letter === "-"
    }
    function choose(character) { field.insert(character); typed = ""; first = 0; shift = false }
    function erase() {
        first = 0
        if (typed !== "") { typed = typed.slice(0, -1); return }
        field.erase()
        if (field.text === "") shift = true
    }
    function turn() { sheet = (sheet + 1) % names.length; typed = ""; first = 0 }

    Column {
        anchors.fill: parent
        spacing: keyboard.gap
        Row {
            id: choice
            visible: keyboard.chinese
            spacing: keyboard.gap
            readonly property int room: Math.max(1, Math.floor((keyboard.width - letters.width - 2 * keyboard.gap - keyboard.key) / (keyboard.key + keyboard.gap)))
            Text {
                id: letters
                objectName: "typed"
                width: Math.max(keyboard.key * 1.6, implicitWidth)
                height: keyboard.row
                text: keyboard.typed === "" ? "…" : keyboard.typed
                color: door.colours.parts.page[1]
                font.pixelSize: Math.min(keyboard.letter * 0.5, keyboard.key * 0.45)
                verticalAlignment: Text.AlignVCenter
                horizontalAlignment: Text.AlignHCenter
                Accessible.role: Accessible.StaticText
                Accessible.name: text
            }
            Repeater {
                model: keyboard.found.slice(keyboard.first, keyboard.first + choice.room)
                Touch {
                    required property string modelData
                    required property int index
                    objectName: "choice_" + index
                    width: keyboard.key
                    height: keyboard.row
                    radius: 6
                    kind: "note"
                    size: Math.min(keyboard.letter * 0.6, keyboard.key * 0.6)
                    text: modelData
                    isKey: true
                    onPressed: keyboard.choose(modelData)
                }
            }
            Touch {
                objectName: "choice_more"
                visible: keyboard.found.length > choice.room
                width: keyboard.key
                height: keyboard.row
                radius: 6
                size: Math.min(keyboard.letter * 0.5, keyboard.key * 0.5)
                text: "›"
                label: qsTr("More characters")
                isKey: true
                onPressed: keyboard.first = keyboard.first + choice.room < keyboard.found.length ? keyboard.first + choice.room : 0
            }
        }
        Repeater {
            model: 3
            Row {
                required property int index
                readonly property string letters: keyboard.layers[keyboard.sheet][index]
                anchors.horizontalCenter: parent.horizontalCenter
                spacing: keyboard.gap
                Repeater {
                    model: parent.letters.split("")
                    Touch {
                        required property string modelData
                        objectName: "key_" + modelData
                        width: keyboard.key
                        height: keyboard.row
                        radius: 6
                        size: Math.min(keyboard.letter * 0.6, width * 0.6)
                        text: keyboard.shift && !keyboard.chinese ? modelData.toUpperCase() : modelData
                        isKey: true
                        onPressed: keyboard.type(modelData)
                    }
                }
            }
        }
        Row {
            anchors.horizontalCenter: parent.horizontalCenter
            spacing: keyboard.gap
            readonly property real side: (keyboard.width - 8 * keyboard.gap) / 11
            Touch {
                objectName: "key_shift"; width: Math.max(48, parent.side); height: keyboard.row; radius: 6; icon: "shift"; label: qsTr("Shift"); isKey: true
                kind: keyboard.shift ? "primary" : "plain"; size: keyboard.letter * 0.42; visible: !keyboard.chinese
                onPressed: keyboard.shift = !keyboard.shift
            }
            Touch {
                objectName: "key_layer"; width: Math.max(96, parent.side * 2); height: keyboard.row; radius: 6; isKey: true
                text: keyboard.names[(keyboard.sheet + 1) % keyboard.names.length]; label: qsTr("Other letters") + ": " + text; size: keyboard.letter * 0.48
                onPressed: keyboard.turn()
            }
            Touch {
                objectName: "key_space"; width: parent.side * 5; height: keyboard.row; radius: 6; label: qsTr("Space"); text: qsTr("Space"); size: keyboard.letter * 0.36; isKey: true
                onPressed: keyboard.type(" ")
            }
            Touch {
                objectName: "key_erase"; width: Math.max(96, parent.side * 2); height: keyboard.row; radius: 6; icon: "erase"; label: qsTr("Erase"); size: keyboard.letter * 0.48; isKey: true
                onPressed: keyboard.erase()
            }
        }
    }
}
