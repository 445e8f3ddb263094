// A button for a finger, a key or a screen reader.
import QtQuick

Rectangle {
    id: touch
    property string text: ""
    property string icon: ""
    property string kind: "plain"
    property string label: text
    property real size: window.unit * 3.4
    property bool on: true
    property bool isKey: false  // of the keyboard on the screen: its width is given, and the field keeps the focus
    readonly property color ink: door.colours.parts[kind][1]
    signal pressed()
    function take() { forceActiveFocus() }

    implicitHeight: Math.max(52, window.unit * 9)
    implicitWidth: isKey ? implicitHeight : Math.max(implicitHeight, Math.ceil(metrics.advanceWidth) + picture + window.unit * 5)
    readonly property real picture: icon === "" ? 0 : size * 1.3 + (text === "" ? 0 : window.unit * 1.5)
    radius: Math.min(height / 4, 14)
    color: door.colours.parts[kind][0]
    opacity: on ? 1 : 0.45
    activeFocusOnTab: !isKey
    border.width: activeFocus ? 4 : 0
    border.color: touch.kind === "primary" || touch.kind === "danger" ? "#13202c" : door.colours.parts.primary[0]
    scale: area.pressed && on ? 0.97 : 1

    Accessible.role: Accessible.Button
    Accessible.name: label
    Accessible.focusable: !isKey
    Accessible.onPressAction: if (on) pressed()
    Keys.onReturnPressed: if (on) pressed()
    Keys.onEnterPressed: if (on) pressed()
    Keys.onSpacePressed: if (on) pressed()

    TextMetrics { id: metrics; font: words_.font; text: touch.text }
    Row {
        anchors.centerIn: parent
        spacing: window.unit * 1.5
        Icon {
            visible: touch.icon !== ""
            kind: touch.icon === "" ? "idle" : touch.icon
            colour: touch.ink
            width: touch.size * 1.3
            height: width
            anchors.verticalCenter: parent.verticalCenter
        }
        Text {
            id: words_
            visible: touch.text !== ""
            text: touch.text
            color: touch.ink
            font.pixelSize: touch.size
            font.weight: Font.DemiBold
            width: Math.min(Math.ceil(Math.max(metrics.advanceWidth, metrics.boundingRect.width) * 1.04) + 4, touch.width - touch.picture - window.unit)
            horizontalAlignment: Text.AlignHCenter
            elide: Text.ElideRight
            anchors.verticalCenter: parent.verticalCenter
        }
    }
    MouseArea {
        id: area
        anchors.fill: parent
        onClicked: if (touch.on) { if (!touch.isKey) touch.forceActiveFocus(); touch.pressed() }
    }
}
