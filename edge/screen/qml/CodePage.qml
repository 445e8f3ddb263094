// A door code, for who is not recognised. Nobody need be an operator; who walks away leaves no digits behind.
import QtQuick

Panel {
    id: page
    objectName: "codePage"
    heading: qsTr("Door code")
    focus: true
    Keys.forwardTo: [pad]
    onBack: window.go("door")

    function stay(seconds) { leave.interval = seconds * 1000; leave.restart() }
    Component.onCompleted: stay(20)
    Connections {
        target: door
        function onAnswered(command, trouble, seconds, receipt) {
            if (command !== "code") return
            pad.waiting = false
            page.noteKind = trouble === "" ? "note" : "warning"
            page.note = trouble === "" ? qsTr("Welcome. The door is open.") : words.waitFor(trouble, seconds)
            pad.done = trouble === ""
            page.stay(pad.done ? 4 : 20)
        }
    }
    Timer { id: leave; onTriggered: window.go("door") }
    Keypad {
        id: pad
        property bool done: false
        // a note above must not move keys under a finger
        anchors { horizontalCenter: parent.horizontalCenter; bottom: parent.bottom; bottomMargin: window.unit * 5 }
        visible: !done
        prefix: "code_"
        least: 8
        room: page.height
        onTyped: { page.note = ""; page.stay(20) }
        onGaveUp: page.back()
        onSent: digits => { waiting = true; page.stay(20); door.enter_code(digits) }
    }
    Icon {
        visible: pad.done
        anchors.centerIn: parent
        width: Math.min(parent.width, parent.height) * 0.6
        height: width
        kind: "welcome"
        colour: door.colours.parts.note[1]
    }
}
