// One enrolment, as far as the door says it is.
import QtQuick

Panel {
    id: page
    objectName: "enrolPage"
    readonly property var now: door.enrolment
    readonly property string step: now.step
    readonly property bool filming: step === "capture" || step === "trying"
    readonly property bool naming: step === "ready" || step === "tried"
    property bool renewing: false
    property bool dating: false
    property string begins: ""  // as typed
    property string ends: ""  // as typed; "none": without end
    readonly property string end: door.days > 0 ? door.day(door.days) : ""
    property string failure: ""
    heading: step === "saved" ? qsTr("Done") : filming ? qsTr("Look at the camera") : naming && dating ? qsTr("Dates") : qsTr("Enrolment")
    backText: step === "saved" ? qsTr("Done") : naming && dating ? qsTr("Back") : qsTr("Cancel")
    note: failure !== "" ? words.why(failure) : dating ? "" : step === "tried" ? qsTr("Recognised. It can be saved.") : now.trouble !== "" ? words.why(now.trouble) : ""
    noteKind: step === "tried" && failure === "" ? "note" : "warning"
    onBack: {
        if (naming && dating) { named(); return }
        if (step !== "saved") door.abort()
        window.go("menu")
    }
    onNowChanged: {
        // now.step, not step: that may still be the one before
        if (now.step === "capture" || now.step === "none") { renewing = dating = false; begins = ends = failure = "" }
        else if (now.step === "ready" && now.name !== "") renewing = true
    }
    onNamingChanged: if (naming) Qt.callLater(ready)
    function ready() { if (naming && !dating) (renewing ? save : field).take() }
    function named() { dating = false; failure = ""; ready() }
    function store() { failure = ""; if (renewing) door.save("", "", ""); else door.save(field.text, begins, ends) }

    Connections {
        target: door
        function onAnswered(command, trouble, seconds, receipt) {
            if (trouble === "locked" || command === "gone") window.go("door")
            else if (command === "enrol_save" || command === "") {
                page.failure = trouble
                if (["bad_begin", "bad_end", "ends_first", "ended"].indexOf(trouble) >= 0) page.dating = true
            }
        }
    }

    Item {
        visible: page.filming
        anchors.fill: parent
        Preview {
            id: preview
            width: page.wide ? parent.width * 0.62 : parent.width
            height: page.wide ? parent.height : parent.height * 0.6
            oval: true
            colour: page.ink
            turned: page.now.turned || []
            progress: page.now.wanted > 0 ? page.now.samples / page.now.wanted : 0
        }
        Column {
            x: page.wide ? preview.width + window.unit * 4 : 0
            width: parent.width - x
            y: page.wide ? (parent.height - height) / 2 : preview.height + window.unit * 3
            spacing: window.unit * 3
            Said {
                objectName: "instruction"
                width: parent.width
                text: page.step === "trying" ? qsTr("Trying it now. Look at the camera.") : words.hint(page.now.hint)
                color: page.ink
                font.pixelSize: window.unit * 6.4
                font.weight: Font.Bold
                wrapMode: Text.Wrap
                horizontalAlignment: page.wide ? Text.AlignLeft : Text.AlignHCenter
                Accessible.role: Accessible.AlertMessage
                Accessible.name: text
            }
            Said {
                visible: page.step === "capture"
                width: parent.width
                text: qsTr("%1 of %2").arg(page.now.samples).arg(page.now.wanted) + " · " + qsTr("%1 s").arg(Math.ceil(page.now.seconds))
                color: door.colours.parts.faint[1]
                font.pixelSize: window.unit * 4.4
                horizontalAlignment: page.wide ? Text.AlignLeft : Text.AlignHCenter
            }
        }
    }

    Column {
        visible: page.step === "twin"
        anchors.centerIn: parent
        width: parent.width
        spacing: window.unit * 4
        Said {
            width: parent.width
            text: qsTr("This person looks like %1, who is enrolled.").arg(page.now.twin)
            color: page.ink
            font.pixelSize: window.unit * 5.4
            font.weight: Font.Bold
            wrapMode: Text.Wrap
            textFormat: Text.PlainText
            horizontalAlignment: Text.AlignHCenter
        }
        Grid {
            anchors.horizontalCenter: parent.horizontalCenter
            columns: page.wide ? 2 : 1
            spacing: window.unit * 3
            Touch { objectName: "same"; width: Math.min(page.width * 0.9, Math.max(implicitWidth, window.unit * 60)); text: qsTr("It is the same person: renew"); kind: "primary"; onPressed: door.confirm(true) }
            Touch { objectName: "different"; width: Math.min(page.width * 0.9, Math.max(implicitWidth, window.unit * 60)); text: qsTr("Somebody else who looks alike"); onPressed: door.confirm(false) }
        }
    }

    Item {
        visible: page.naming && !page.dating
        anchors.fill: parent
        Column {
            id: top
            width: parent.width
            spacing: window.unit * 1.6
            Said {
                visible: page.renewing
                text: qsTr("The references will be replaced by the new ones.")
                color: page.ink
                font.pixelSize: window.unit * 4.4
                width: parent.width
                wrapMode: Text.Wrap
            }
            Field {
                id: field
                visible: !page.renewing
                objectName: "name"
                width: parent.width
                hint: qsTr("Name")
                limit: 64
                onAccepted: save.pressed()
                onEdited: page.failure = ""
            }
            Flow {
                width: parent.width
                spacing: window.unit * 2
                layoutDirection: Qt.RightToLeft
                Touch { id: save; objectName: "save"; text: qsTr("Save"); kind: "primary"; on: page.renewing || field.text.trim() !== ""; onPressed: if (on) page.store() }
                Touch { objectName: "try"; text: qsTr("Try it now"); onPressed: door.try_now() }
                Touch {
                    objectName: "openDates"
                    visible: !page.renewing
                    width: Math.min(implicitWidth, parent.width)
                    text: qsTr("Dates: %1").arg(words.span(page.begins, page.ends === "none" ? "" : page.ends || page.end))
                    onPressed: page.dating = true
                }
                Touch { objectName: "again"; text: qsTr("Capture again"); onPressed: { door.abort(); window.go("consent") } }
            }
        }
        Keyboard {
            visible: !page.renewing
            anchors { left: parent.left; right: parent.right; bottom: parent.bottom }
            height: Math.min(parent.height - top.height - window.unit * 2, Math.max(5 * 53, parent.width * 0.36))
            field: field
        }
    }

    Loader {
        active: page.naming && page.dating
        anchors.fill: parent
        sourceComponent: Dates {
            room: page.height
            begins: page.begins
            ends: page.ends
            end: page.end
            onEdited: page.failure = ""
            onGaveUp: page.named()
            onChosen: (begins, ends) => { page.begins = begins; page.ends = ends; page.named() }
        }
    }

    Column {
        visible: page.step === "saved" || page.step === "failed"
        anchors.centerIn: parent
        width: parent.width
        spacing: window.unit * 4
        Icon {
            anchors.horizontalCenter: parent.horizontalCenter
            width: window.unit * 24
            height: width
            kind: page.step === "saved" ? "welcome" : "not_recognised"
            colour: page.step === "saved" ? "#0a5c2b" : page.ink
        }
        Said {
            objectName: "saved"
            width: parent.width
            text: page.step === "saved" ? qsTr("%1 is enrolled.").arg(page.now.name) : qsTr("Nothing was stored.")
            color: page.ink
            font.pixelSize: window.unit * 5.4
            font.weight: Font.Bold
            wrapMode: Text.Wrap
            textFormat: Text.PlainText
            horizontalAlignment: Text.AlignHCenter
        }
        Said {
            objectName: "savedDates"
            visible: text !== ""
            width: parent.width
            text: page.step === "saved" ? words.between(page.now.begins, page.now.ends, false) : ""
            color: page.ink
            font.pixelSize: window.unit * 4
            horizontalAlignment: Text.AlignHCenter
        }
        Touch {
            objectName: page.step === "saved" ? "done" : "restart"
            anchors.horizontalCenter: parent.horizontalCenter
            kind: "primary"
            text: page.step === "saved" ? qsTr("Done") : qsTr("Begin again")
            onPressed: window.go(page.step === "saved" ? "menu" : "consent")
        }
    }
}
