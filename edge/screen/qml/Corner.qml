// A quiet button in a corner of the door's page: large enough for a finger, too plain to be looked at.
import QtQuick

Rectangle {
    id: corner
    property string text: ""
    property string icon: ""
    property string label: text
    property bool chosen: false
    property color ink: "white"
    signal pressed()
    implicitHeight: Math.max(52, window.unit * 9)
    implicitWidth: implicitHeight * (text === "" ? 1 : 1.15)
    radius: 10
    color: "transparent"
    border.width: activeFocus ? 4 : chosen ? 2 : 0
    border.color: ink
    activeFocusOnTab: true
    Accessible.role: Accessible.Button
    Accessible.name: label
    Accessible.focusable: true
    Accessible.selected: chosen
    Accessible.onPressAction: pressed()
    Keys.onReturnPressed: pressed()
    Keys.onSpacePressed: pressed()
    Text {
        anchors.centerIn: parent
        text: corner.text
        color: corner.ink
        font.pixelSize: window.unit * 3.6
        font.weight: corner.chosen ? Font.Bold : Font.Normal
    }
    Icon {
        visible: corner.icon !== ""
        anchors.centerIn: parent
        width: corner.height * 0.5
        height: width
        kind: corner.icon === "" ? "idle" : corner.icon
        colour: corner.ink
    }
    MouseArea { anchors.fill: parent; onClicked: corner.pressed() }
}
