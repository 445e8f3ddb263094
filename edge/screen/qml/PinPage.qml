// The operator's PIN, by touch or keys. The PIN leaves the screen's memory as soon as it is sent.
import QtQuick

Panel {
    id: page
    objectName: "pinPage"
    heading: qsTr("Operator's PIN")
    note: door.pinSet ? "" : words.why("no_pin")
    property string entered: ""
    property bool waiting: false
    focus: true
    onBack: window.go("door")

    function type(digit) { if (entered.length < 12 && !waiting) { entered += digit; note = "" } }
    function send() {
        if (entered === "" || waiting) return
        waiting = true
        door.unlock(entered)
        entered = ""
    }
    Keys.onPressed: event => {
        if (event.key >= Qt.Key_0 && event.key <= Qt.Key_9) type(String.fromCharCode(event.key))
        else if (event.key === Qt.Key_Backspace) entered = entered.slice(0, -1)
        else if (event.key === Qt.Key_Return || event.key === Qt.Key_Enter) send()
        else if (event.key === Qt.Key_Escape) back()
        else return
        event.accepted = true
    }
    Connections {
        target: door
        function onAnswered(command, trouble, seconds, receipt) {
            if (command !== "unlock") return
            page.waiting = false
            if (trouble === "") window.go("menu")
            else page.note = words.why(trouble) + (seconds > 0 ? " " + qsTr("%1 s").arg(Math.ceil(seconds)) : "")
        }
    }
    Column {
        anchors.centerIn: parent
        spacing: window.unit * 1.6
        readonly property real key: Math.max(50, Math.min((page.height * 0.72) / 5.9, window.unit * 14))
        Row {
            anchors.horizontalCenter: parent.horizontalCenter
            height: window.unit * 5
            spacing: window.unit * 1.6
            Accessible.role: Accessible.StaticText
            Accessible.name: qsTr("%1 digits entered").arg(page.entered.length)
            Repeater {
                model: Math.max(6, page.entered.length)
                Rectangle {
                    required property int index
                    width: window.unit * 2.6
                    height: width
                    radius: width / 2
                    anchors.verticalCenter: parent.verticalCenter
                    color: index < page.entered.length ? page.ink : "transparent"
                    border.width: 2
                    border.color: page.ink
                }
            }
        }
        Grid {
            id: grid
            columns: 3
            spacing: window.unit * 1.4
            anchors.horizontalCenter: parent.horizontalCenter
            Repeater {
                model: ["1", "2", "3", "4", "5", "6", "7", "8", "9", "erase", "0", "ok"]
                Touch {
                    required property string modelData
                    objectName: "pin_" + modelData
                    width: grid.parent.key * 1.6
                    height: grid.parent.key
                    size: window.unit * 4.6
                    text: modelData === "erase" ? "" : modelData === "ok" ? "OK" : modelData
                    icon: modelData === "erase" ? "erase" : ""
                    label: modelData === "erase" ? qsTr("Erase") : text
                    kind: modelData === "ok" ? "primary" : "plain"
                    on: modelData !== "ok" || (page.entered.length > 0 && !page.waiting)
                    onPressed: modelData === "erase" ? page.entered = page.entered.slice(0, -1) : modelData === "ok" ? page.send() : page.type(modelData)
                }
            }
        }
    }
}
