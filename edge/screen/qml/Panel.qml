// An operator's page: a heading, a way back, a note of what went wrong, and room for the rest.
import QtQuick

Rectangle {
    id: panel
    property string heading: ""
    property string note: ""
    property string noteKind: "warning"
    property string backText: qsTr("Back")
    default property alias content: body.data
    signal back()
    color: door.colours.parts.page[0]
    readonly property color ink: door.colours.parts.page[1]
    readonly property bool wide: width > height

    Item {
        id: head
        anchors { left: parent.left; right: parent.right; top: parent.top; margins: window.unit * 2.5 }
        height: Math.max(52, window.unit * 9)
        Touch {
            objectName: "back"
            icon: "back"
            label: panel.backText
            text: panel.width > 700 ? panel.backText : ""
            anchors { left: parent.left; verticalCenter: parent.verticalCenter }
            id: backTouch
            onPressed: panel.back()
        }
        Text {
            anchors { left: backTouch.right; right: parent.right; leftMargin: window.unit * 3; verticalCenter: parent.verticalCenter }
            text: panel.heading
            color: panel.ink
            font.pixelSize: window.unit * 5
            font.weight: Font.Bold
            elide: Text.ElideRight
            Accessible.role: Accessible.Heading
            Accessible.name: text
        }
    }
    Rectangle {
        id: noted
        visible: panel.note !== ""
        anchors { left: parent.left; right: parent.right; top: head.bottom; margins: window.unit * 2.5; topMargin: window.unit }
        height: visible ? noteText.implicitHeight + window.unit * 2.4 : 0
        radius: 8
        color: door.colours.parts[panel.noteKind][0]
        Text {
            id: noteText
            objectName: "note"
            anchors { left: parent.left; right: parent.right; verticalCenter: parent.verticalCenter; margins: window.unit * 2 }
            text: panel.note
            color: door.colours.parts[panel.noteKind][1]
            font.pixelSize: window.unit * 3.4
            font.weight: Font.DemiBold
            wrapMode: Text.Wrap
            textFormat: Text.PlainText
            Accessible.role: Accessible.AlertMessage
            Accessible.name: text
        }
    }
    Item {
        id: body
        anchors { left: parent.left; right: parent.right; top: noted.bottom; bottom: parent.bottom; margins: window.unit * 2.5; topMargin: window.unit * 1.5 }
    }
}
