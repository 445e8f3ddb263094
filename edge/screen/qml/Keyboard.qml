// A keyboard on the screen: Latin, its accents, Cyrillic, Greek. Scripts that need an input method come from a real keyboard.
import QtQuick

Item {
    id: keyboard
    property var field
    property bool shift: true
    property int sheet: 0
    readonly property var names: ["abc", "áöñ", "абв", "αβγ", "123"]
    readonly property var layers: [
        ["qwertyuiop", "asdfghjkl", "zxcvbnm'-"],
        ["áàâäãåæçčć", "éèêëěíîïłñ", "óöôøõśšúüžß"],
        ["йцукенгшщзх", "фывапролджэ", "ячсмитьбюёї"],
        ["ςερτυθιοπή", "ασδφγηξκλά", "ζχψωβνμόίύώ"],
        ["1234567890", ".,'’-–()/", "&@+ʼ·ªº"],
    ]
    readonly property real gap: Math.max(3, window.unit * 0.7)
    readonly property real row: (height - 3 * gap) / 4

    function type(letter) {
        field.insert(shift ? letter.toUpperCase() : letter)
        shift = letter === " " || letter === "-"
    }

    Column {
        anchors.fill: parent
        spacing: keyboard.gap
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
                        width: Math.max(48, Math.min((keyboard.width - 10 * keyboard.gap) / 11, keyboard.height * 0.4))
                        height: keyboard.row
                        radius: 6
                        size: Math.min(keyboard.row * 0.5, width * 0.6)
                        text: keyboard.shift ? modelData.toUpperCase() : modelData
                        activeFocusOnTab: false
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
                objectName: "key_shift"; width: Math.max(48, parent.side); height: keyboard.row; radius: 6; icon: "shift"; label: qsTr("Shift"); activeFocusOnTab: false
                kind: keyboard.shift ? "primary" : "plain"; size: keyboard.row * 0.35
                onPressed: keyboard.shift = !keyboard.shift
            }
            Touch {
                objectName: "key_layer"; width: Math.max(96, parent.side * 2); height: keyboard.row; radius: 6; activeFocusOnTab: false
                text: keyboard.names[(keyboard.sheet + 1) % keyboard.names.length]; label: qsTr("Other letters"); size: keyboard.row * 0.4
                onPressed: keyboard.sheet = (keyboard.sheet + 1) % keyboard.names.length
            }
            Touch {
                objectName: "key_space"; width: parent.side * 5; height: keyboard.row; radius: 6; label: qsTr("Space"); text: qsTr("Space"); size: keyboard.row * 0.3; activeFocusOnTab: false
                onPressed: keyboard.type(" ")
            }
            Touch {
                objectName: "key_erase"; width: Math.max(96, parent.side * 2); height: keyboard.row; radius: 6; icon: "erase"; label: qsTr("Erase"); size: keyboard.row * 0.4; activeFocusOnTab: false
                onPressed: { keyboard.field.erase(); if (keyboard.field.text === "") keyboard.shift = true }
            }
        }
    }
}
