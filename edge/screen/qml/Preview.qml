// What the camera sees, as in a mirror; for an enrolment with an oval to stand in and a ring that fills.
import QtQuick

Item {
    id: preview
    property bool oval: false
    property real progress: 0  // 0..1
    property color colour: "white"
    property var turned: []  // "left", "right", "up", "down", as the person sees himself
    readonly property real side: Math.min(width, height * 4 / 3)

    Rectangle {
        id: frame
        anchors.centerIn: parent
        width: preview.side
        height: width * 3 / 4
        color: "#000000"
        clip: true
        Image {
            anchors.fill: parent
            source: "image://preview/" + door.picture
            cache: false
            mirror: true
            fillMode: Image.PreserveAspectCrop
        }
        Canvas {
            id: guide
            visible: preview.oval
            anchors.fill: parent
            onPaint: {
                const c = getContext("2d"), w = height * 0.6, h = height * 0.8, x = (width - w) / 2, y = (height - h) / 2
                c.reset()
                c.fillStyle = "rgba(10, 16, 24, 0.55)"
                c.fillRule = Qt.OddEvenFill
                c.beginPath(); c.rect(0, 0, width, height); c.ellipse(x, y, w, h); c.fill()
                c.lineWidth = height / 40
                c.strokeStyle = "rgba(255, 255, 255, 0.55)"
                c.beginPath(); c.ellipse(x, y, w, h); c.stroke()
                if (preview.progress > 0) {
                    c.strokeStyle = "#3ddc84"
                    c.beginPath()
                    const steps = Math.max(2, Math.round(120 * preview.progress))
                    for (let i = 0; i <= steps; i++) {
                        const a = -Math.PI / 2 + 2 * Math.PI * preview.progress * i / steps
                        c[i ? "lineTo" : "moveTo"](width / 2 + w / 2 * Math.cos(a), height / 2 + h / 2 * Math.sin(a))
                    }
                    c.stroke()
                }
            }
            Connections { target: preview; function onProgressChanged() { guide.requestPaint() } }
            onWidthChanged: requestPaint()
        }
        Repeater {
            model: preview.oval ? [["left", -0.37, 0], ["right", 0.37, 0], ["up", 0, -0.46], ["down", 0, 0.46]] : []
            Rectangle {
                required property var modelData
                readonly property bool done: preview.turned.indexOf(modelData[0]) >= 0
                width: frame.height / 18
                height: width
                radius: width / 2
                x: frame.width / 2 + frame.height * modelData[1] - width / 2
                y: frame.height / 2 + frame.height * modelData[2] - height / 2
                color: done ? "#3ddc84" : "transparent"
                border.width: 3
                border.color: done ? "#3ddc84" : "#b8ffffff"
            }
        }
        Rectangle { anchors.fill: parent; color: "transparent"; border.width: 4; border.color: preview.colour; opacity: 0.8 }
    }
    Accessible.role: Accessible.Graphic
    Accessible.name: qsTr("What the camera sees")
}
