// One line of text, from the keyboard on the screen or a real one.
import QtQuick

Rectangle {
    id: box
    property alias text: input.text
    property alias limit: input.maximumLength
    property string hint: ""
    property string label: hint
    signal accepted()
    signal edited()
    signal taken()  // the focus came here
    function take() { input.forceActiveFocus() }
    function insert(letters) { input.insert(input.cursorPosition, letters) }
    function erase() { if (input.cursorPosition > 0) input.remove(input.cursorPosition - 1, input.cursorPosition) }
    implicitHeight: Math.max(52, window.unit * 9)
    radius: 8
    color: door.colours.parts.field[0]
    border.width: input.activeFocus ? 3 : 2
    border.color: input.activeFocus ? door.colours.parts.primary[0] : door.colours.parts.faint[1]
    TextInput {
        id: input
        anchors { fill: parent; leftMargin: window.unit * 2; rightMargin: window.unit * 2 }
        verticalAlignment: TextInput.AlignVCenter
        horizontalAlignment: TextInput.AlignLeft
        color: door.colours.parts.field[1]
        font.pixelSize: window.unit * 4.4
        clip: true
        focus: true
        activeFocusOnTab: true
        onAccepted: box.accepted()
        onTextChanged: { window.stir(); box.edited() }
        Accessible.role: Accessible.EditableText
        Accessible.name: box.label === box.hint || text !== "" ? box.label : box.label + ": " + box.hint
        onActiveFocusChanged: if (activeFocus) box.taken()
    }
    Text {
        visible: input.text === ""
        anchors { left: parent.left; leftMargin: window.unit * 2; verticalCenter: parent.verticalCenter }
        text: box.hint
        color: door.colours.parts.faint[1]
        font.pixelSize: window.unit * 4.4
    }
}
