// The window: one page at a time. An operator's page that nobody touches goes back to the door.
import QtQuick
import QtQuick.Window

Window {
    id: window
    objectName: "window"
    title: "edge screen"
    width: 1024
    height: 600
    color: "#10151c"
    property string page: "door"
    property bool still: false  // no animations: for pictures
    readonly property real unit: Math.min(width, height * 1.2, width > height ? height : width * 0.9) / 100
    readonly property bool rightToLeft: Application.layoutDirection === Qt.RightToLeft

    function go(name) { page = name; rest.restart() }
    function stir() { rest.restart() }

    Words { id: words }
    Component { id: pinPage; PinPage {} }
    Component { id: codePage; CodePage {} }
    Component { id: menuPage; MenuPage {} }
    Component { id: consentPage; ConsentPage {} }
    Component { id: enrolPage; EnrolPage {} }
    Component { id: peoplePage; PeoplePage {} }
    Item {
        anchors.fill: parent
        LayoutMirroring.enabled: window.rightToLeft
        LayoutMirroring.childrenInherit: true
        DoorPage { anchors.fill: parent; visible: window.page === "door" }
        Loader {
            id: loader
            anchors.fill: parent
            active: window.page !== "door"
            focus: true
            sourceComponent: ({ pin: pinPage, code: codePage, menu: menuPage, consent: consentPage, enrol: enrolPage, people: peoplePage })[window.page] || null
            onLoaded: (item as Item).forceActiveFocus()
        }
    }
    MouseArea {
        // sees every touch, and takes none
        anchors.fill: parent
        z: 1
        propagateComposedEvents: true
        onPressed: mouse => { rest.restart(); mouse.accepted = false }
    }
    Timer {
        id: rest
        interval: 90000
        running: window.page !== "door"
        onTriggered: { door.lock(); window.go("door") }
    }
    Connections {
        target: door
        function onAnswered(command, trouble, seconds, receipt) {
            if ((command === "gone" || trouble === "locked") && window.page !== "pin" && (command === "gone" || window.page !== "code")) window.go("door")
        }
    }
}
