// What an operator can do.
import QtQuick

Panel {
    id: page
    objectName: "menuPage"
    heading: qsTr("Operator")
    backText: qsTr("Lock and leave")
    onBack: { door.lock(); window.go("door") }
    Grid {
        anchors.centerIn: parent
        columns: page.wide ? 2 : 1
        spacing: window.unit * 4
        Repeater {
            model: [["enrol", qsTr("Enrol somebody"), "consent", "primary"], ["people", qsTr("People"), "people", "plain"]]
            Touch {
                required property var modelData
                objectName: "menu_" + modelData[0]
                width: Math.min(window.unit * 74, page.width * 0.46 + (page.wide ? 0 : page.width * 0.4))
                height: window.unit * 28
                icon: modelData[0]
                text: modelData[1]
                kind: modelData[3]
                size: window.unit * 4.8
                onPressed: window.go(modelData[2])
            }
        }
    }
}
