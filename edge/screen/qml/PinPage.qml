// The operator's PIN, by touch or keys.
import QtQuick

Panel {
    id: page
    objectName: "pinPage"
    heading: qsTr("Operator's PIN")
    note: door.pinSet ? "" : words.why("no_pin")
    focus: true
    Keys.forwardTo: [pad]
    onBack: window.go("door")

    Connections {
        target: door
        function onAnswered(command, trouble, seconds, receipt) {
            if (command !== "unlock") return
            pad.waiting = false
            if (trouble === "") window.go("menu")
            else page.note = words.waitFor(trouble, seconds)
        }
    }
    Keypad {
        id: pad
        // a note above must not move keys under a finger
        anchors { horizontalCenter: parent.horizontalCenter; bottom: parent.bottom; bottomMargin: window.unit * 5 }
        prefix: "pin_"
        most: 12
        dots: 6
        room: page.height
        onTyped: page.note = ""
        onGaveUp: page.back()
        onSent: digits => { waiting = true; door.unlock(digits) }
    }
}
