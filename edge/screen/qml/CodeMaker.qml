// A door code is made for somebody: it is shown here once, for a minute at most, and then the screen knows it no more.
import QtQuick

Column {
    id: maker
    objectName: "codeMaker"
    property int patience: 60  // seconds
    property string name: ""
    property bool waiting: false
    readonly property bool made: door.madeCode !== ""
    signal wanted()
    signal done()
    spacing: window.unit * 4
    Timer { interval: 1000 * maker.patience; running: maker.made; onTriggered: maker.done() }
    Said {
        width: parent.width
        text: maker.name
        color: door.colours.parts.page[1]
        font.pixelSize: window.unit * 7
        font.weight: Font.Bold
        horizontalAlignment: Text.AlignHCenter
    }
    Said {
        objectName: "madeCode"
        visible: maker.made
        width: parent.width
        text: maker.made ? words.date(door.madeCode.slice(0, 4) + " " + door.madeCode.slice(4)) : ""
        color: door.colours.parts.page[1]
        font.pixelSize: window.unit * 14
        font.weight: Font.Bold
        horizontalAlignment: Text.AlignHCenter
    }
    Said {
        width: parent.width
        text: maker.made ? qsTr("Hand it over now. It cannot be shown again.")
            : qsTr("A door code of eight digits is made and shown here. It takes the place of the one there was. Make sure that nobody else looks on.")
        color: door.colours.parts.page[1]
        font.pixelSize: window.unit * 4
        horizontalAlignment: Text.AlignHCenter
    }
    Touch {
        objectName: maker.made ? "codeDone" : "makeCode"
        anchors.horizontalCenter: parent.horizontalCenter
        kind: "primary"
        on: !maker.waiting
        text: maker.made ? qsTr("Done") : qsTr("Make the code")
        onPressed: maker.made ? maker.done() : maker.wanted()
    }
}
