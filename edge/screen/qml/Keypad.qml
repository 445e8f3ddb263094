// Digits by touch or keys. They leave the screen's memory as soon as they are sent, and are neither shown nor read out when counted.
import QtQuick

Item {
    id: pad
    property string entered: ""
    property string prefix: "key_"
    property int least: 1
    property int most: 8
    property int dots: most
    property bool waiting: false
    property real room: height
    property color ink: door.colours.parts.page[1]
    readonly property bool ready: entered.length >= least && !waiting
    readonly property real key: Math.max(50, Math.min((room * 0.72) / 5.9, window.unit * 14))
    signal typed()
    signal sent(string digits)
    signal gaveUp()
    implicitWidth: column.width
    implicitHeight: column.height

    function type(digit) { if (entered.length < most && !waiting) { entered += digit; typed() } }
    function erase() { entered = entered.slice(0, -1); typed() }
    function send() {
        if (!ready) return
        const digits = entered
        entered = ""
        sent(digits)
    }
    Keys.onPressed: event => {
        if (event.key >= Qt.Key_0 && event.key <= Qt.Key_9) type(String.fromCharCode(event.key))
        else if (event.key === Qt.Key_Backspace) erase()
        else if (event.key === Qt.Key_Return || event.key === Qt.Key_Enter) send()
        else if (event.key === Qt.Key_Escape) gaveUp()
        else return
        event.accepted = true
    }
    Column {
        id: column
        spacing: window.unit * 1.6
        Row {
            anchors.horizontalCenter: parent.horizontalCenter
            height: window.unit * 5
            spacing: window.unit * 1.6
            Accessible.role: Accessible.StaticText
            Accessible.name: qsTr("Digits entered: %1").arg(pad.entered.length)
            Repeater {
                model: Math.max(pad.dots, pad.entered.length)
                Rectangle {
                    required property int index
                    width: window.unit * 2.6
                    height: width
                    radius: width / 2
                    anchors.verticalCenter: parent.verticalCenter
                    color: index < pad.entered.length ? pad.ink : "transparent"
                    border.width: 2
                    border.color: pad.ink
                }
            }
        }
        Digits {
            anchors.horizontalCenter: parent.horizontalCenter
            prefix: pad.prefix
            key: pad.key
            ready: pad.ready
            onTyped: digit => pad.type(digit)
            onErased: pad.erase()
            onSent: pad.send()
        }
    }
}
