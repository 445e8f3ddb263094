// Who is enrolled. Two touches revoke or renew: the person, then the deed.
import QtQuick

Panel {
    id: page
    objectName: "peoplePage"
    heading: dating ? qsTr("Dates") : coding ? qsTr("Door code") : qsTr("People")
    property var chosen: null
    property bool typing: false
    property bool dating: false
    property bool coding: false
    property int number: 0
    property string receipt: ""
    note: said !== "" ? said : door.alike.length === 2 && chosen === null
        ? qsTr("%1 and %2 look so alike that the door may take one for the other. Enrol one of them again.").arg(door.alike[0]).arg(door.alike[1]) : ""
    property string said: ""
    onBack: dating ? undated() : coding ? uncoded() : chosen ? chosen = null : window.go("menu")
    Component.onCompleted: door.list_people("", 0)
    function across(items, gap) {
        let sum = 0
        for (const item of items) if (item.visible) sum += item.width + gap
        return sum
    }
    function undated() { dating = false; said = ""; page.forceActiveFocus() }
    function uncoded() { coding = false; said = ""; door.forget_code(); page.forceActiveFocus() }
    function look() { door.list_people(search.text, number) }

    Connections {
        target: door
        function onAnswered(command, trouble, seconds, receipt) {
            if (trouble === "locked" || command === "gone") { window.go("door"); return }
            if (command === "new_code") maker.waiting = false
            if (trouble !== "") { page.noteKind = "warning"; page.said = words.why(trouble) }
            else if (command === "limit" || command === "dates") {
                page.undated()
                page.noteKind = "note"
                page.said = qsTr("The date is changed. Receipt: %1").arg(receipt)
                page.chosen = null
                page.look()
            }
            else if (command === "revoke" || command === "renew") {
                page.noteKind = "note"
                page.said = (command === "revoke" ? qsTr("Revoked. Receipt: %1") : qsTr("Renewed. Receipt: %1")).arg(receipt)
                page.chosen = null
                page.look()
            }
        }
    }

    Item {
        visible: page.chosen === null
        anchors.fill: parent
        Field {
            id: search
            objectName: "search"
            anchors { left: parent.left; right: keys.left; top: parent.top; rightMargin: window.unit * 2 }
            hint: qsTr("Search")
            limit: 64
            onEdited: { page.number = 0; page.said = ""; page.noteKind = "warning"; page.look() }
        }
        Touch {
            id: keys
            objectName: "keys"
            anchors { right: parent.right; top: parent.top }
            text: page.typing ? qsTr("Hide keys") : qsTr("Show keys")
            onPressed: page.typing = !page.typing
        }
        ListView {
            id: list
            objectName: "list"
            anchors { left: parent.left; right: parent.right; top: search.bottom; bottom: page.typing ? board.top : pages.top; topMargin: window.unit * 1.5; bottomMargin: window.unit }
            model: door.people
            clip: true
            spacing: window.unit
            delegate: Touch {
                required property var modelData
                required property int index
                objectName: "person_" + index
                width: list.width
                label: modelData.name
                onPressed: page.chosen = modelData
                Said {
                    anchors { left: parent.left; leftMargin: window.unit * 3; right: date.left; verticalCenter: parent.verticalCenter }
                    text: modelData.name; color: parent.ink; font.pixelSize: window.unit * 4; font.weight: Font.DemiBold; elide: Text.ElideRight; textFormat: Text.PlainText
                }
                Said {
                    id: date
                    anchors { right: parent.right; rightMargin: window.unit * 3; verticalCenter: parent.verticalCenter }
                    text: modelData.enrolled.slice(0, 10); color: parent.ink; font.pixelSize: window.unit * 3.2
                }
            }
            Said {
                visible: list.count === 0
                anchors.centerIn: parent
                text: qsTr("Nobody is found.")
                color: door.colours.parts.faint[1]
                font.pixelSize: window.unit * 4
            }
        }
        Row {
            id: pages
            visible: page.number > 0 || door.more
            height: visible ? implicitHeight : 0
            anchors { horizontalCenter: parent.horizontalCenter; bottom: parent.bottom }
            spacing: window.unit * 3
            Touch { objectName: "previous"; text: qsTr("Previous"); on: page.number > 0; onPressed: { page.number -= 1; page.look() } }
            Touch { objectName: "next"; text: qsTr("Next"); on: door.more; onPressed: { page.number += 1; page.look() } }
        }
        Keyboard {
            id: board
            visible: page.typing
            anchors { left: parent.left; right: parent.right; bottom: parent.bottom }
            height: visible ? Math.max(5 * 53, parent.height * 0.5) : 0
            field: search
        }
    }

    Loader {
        active: page.chosen !== null && page.dating
        anchors.fill: parent
        sourceComponent: Dates {
            room: page.height
            begins: page.chosen.begins
            ends: page.chosen.ends
            onEdited: page.said = ""
            onGaveUp: page.undated()
            onChosen: (begins, ends) => door.set_dates(page.chosen.id, begins, ends)
        }
    }

    CodeMaker {
        id: maker
        visible: page.chosen !== null && page.coding
        anchors.centerIn: parent
        width: parent.width
        name: page.chosen ? page.chosen.name : ""
        onWanted: { waiting = true; page.said = ""; door.new_code(page.chosen.id) }
        onDone: page.uncoded()
    }

    Column {
        visible: page.chosen !== null && !page.dating && !page.coding
        anchors.centerIn: parent
        width: parent.width
        spacing: window.unit * 4
        Said {
            width: parent.width
            text: page.chosen ? page.chosen.name : ""
            color: page.ink
            font.pixelSize: window.unit * 7
            font.weight: Font.Bold
            wrapMode: Text.Wrap
            textFormat: Text.PlainText
            horizontalAlignment: Text.AlignHCenter
        }
        Said {
            width: parent.width
            text: !page.chosen ? "" : qsTr("Enrolled %1").arg(page.chosen.enrolled.slice(0, 10)) + " · "
                + (page.chosen.seen === "" ? qsTr("not seen lately") : qsTr("last seen %1").arg(page.chosen.seen.slice(0, 16).replace("T", " ") + " UTC"))
            wrapMode: Text.Wrap
            color: page.ink
            font.pixelSize: window.unit * 4
            horizontalAlignment: Text.AlignHCenter
        }
        Text {
            objectName: "dates"
            visible: text !== ""
            width: parent.width
            text: !page.chosen ? "" : words.between(page.chosen.begins, page.chosen.ends, page.chosen.phase === "expired")
            wrapMode: Text.Wrap
            color: page.ink
            font.pixelSize: window.unit * 4
            horizontalAlignment: Text.AlignHCenter
        }
        Ends {
            width: Math.min(parent.width, page.across(children, spacing))
            anchors.horizontalCenter: parent.horizontalCenter
            others: true
            onChosen: days => door.limit(page.chosen.id, days)
            onOthersWanted: page.dating = true
        }
        Flow {
            width: Math.min(parent.width, page.across(children, spacing))
            anchors.horizontalCenter: parent.horizontalCenter
            spacing: window.unit * 3
            Touch { objectName: "renew"; text: qsTr("Renew the protection"); onPressed: door.renew(page.chosen.id) }
            Touch { objectName: "openCode"; visible: door.codes; text: qsTr("New door code"); onPressed: { door.forget_code(); page.coding = true } }
            Touch { objectName: "revoke"; text: qsTr("Revoke for good"); kind: "danger"; onPressed: door.revoke(page.chosen.id) }
        }
    }
}
