// Between which dates somebody may pass: two fields, by touch or keys. What is typed the door reads, and says what is wrong with it.
import QtQuick

Item {
    id: dates
    property string begins: ""  // as typed; empty: no limit
    property string ends: ""  // likewise; "none": without end, also where the door has one of its own
    property string end: ""  // that of the door where none is typed
    property real room: height
    property var field: first
    property bool endless: false
    property bool begun: false
    readonly property bool wide: width > height
    signal chosen(string begins, string ends)
    signal edited()
    signal gaveUp()

    function send() { chosen(first.text.trim(), last.text.trim() !== "" ? last.text.trim() : endless ? "none" : "") }
    function type(digit) {
        if (/^\d{4}-\d\d-\d\d$/.test(field.text)) return
        field.insert((/^\d{4}$|^\d{4}-\d\d$/.test(field.text) ? "-" : "") + digit)
    }
    function finish(days) {
        endless = days < 0
        last.text = days < 0 ? "" : door.day(days)
    }
    function told() { if (begun) edited() }
    Keys.onEscapePressed: gaveUp()
    Component.onCompleted: {
        endless = ends === "none"
        first.text = begins
        last.text = endless ? "" : ends
        begun = true
        first.take()
    }

    Column {
        id: left
        anchors { left: parent.left; top: parent.top }
        width: dates.wide ? parent.width - digits.width - window.unit * 4 : parent.width
        spacing: window.unit * 1.2
        Said { text: qsTr("First day, as in %1").arg(words.date(door.day(0))); color: door.colours.parts.page[1]; font.pixelSize: window.unit * 3.4; width: parent.width; horizontalAlignment: Text.AlignLeft }
        Field {
            id: first
            objectName: "firstDay"
            width: parent.width
            label: qsTr("First day")
            hint: qsTr("no limit")
            limit: 32
            onTaken: dates.field = first
            onEdited: dates.told()
            onAccepted: last.take()
        }
        Said { text: qsTr("Last day, included"); color: door.colours.parts.page[1]; font.pixelSize: window.unit * 3.4; width: parent.width; topPadding: window.unit; horizontalAlignment: Text.AlignLeft }
        Field {
            id: last
            objectName: "lastDay"
            width: parent.width
            label: qsTr("Last day")
            hint: dates.endless || dates.end === "" ? qsTr("no limit") : words.date(dates.end)
            limit: 32
            onTaken: dates.field = last
            onEdited: dates.told()
            onAccepted: dates.send()
        }
        Ends {
            width: parent.width
            topPadding: window.unit
            onChosen: days => { dates.finish(days); dates.told() }
        }
    }
    Item {
        id: pad
        // a note above must not move keys under a finger
        anchors { bottom: parent.bottom; right: dates.wide ? parent.right : undefined; horizontalCenter: dates.wide ? undefined : parent.horizontalCenter }
        width: digits.width
        height: digits.height
        Digits {
            id: digits
            prefix: "date_"
            forField: true
            key: Math.max(50, Math.min(window.unit * 13, (dates.room * 0.66 - 3 * spacing) / 4))
            onTyped: digit => dates.type(digit)
            onErased: dates.field.erase()
            onSent: dates.send()
        }
    }
}
