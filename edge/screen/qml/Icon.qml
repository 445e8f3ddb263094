// Line drawings of our own, one a state; drawn in a square of 100.
import QtQuick

Canvas {
    id: icon
    property string kind: "idle"
    property color colour: "white"
    antialiasing: true
    onKindChanged: requestPaint()
    onColourChanged: requestPaint()
    onWidthChanged: requestPaint()
    onPaint: {
        const c = getContext("2d")
        c.reset()
        c.scale(width / 100, height / 100)
        c.strokeStyle = colour
        c.fillStyle = colour
        c.lineWidth = 7
        c.lineCap = "round"
        c.lineJoin = "round"
        const draw = drawings[kind] || drawings.service
        draw(c)
    }
    readonly property var drawings: ({
        idle: c => { person(c, 50) },
        look_here: c => {
            c.beginPath(); c.moveTo(6, 50); c.quadraticCurveTo(50, 2, 94, 50); c.quadraticCurveTo(50, 98, 6, 50); c.closePath(); c.stroke()
            dot(c, 50, 50, 14)
        },
        checking: c => { ring(c); dot(c, 29, 50, 6); dot(c, 50, 50, 6); dot(c, 71, 50, 6) },
        welcome: c => { ring(c); lines(c, [[29, 52], [44, 67], [72, 36]]) },
        not_recognised: c => {
            ring(c)
            c.beginPath(); c.moveTo(36, 40); c.bezierCurveTo(36, 20, 66, 20, 66, 40); c.bezierCurveTo(66, 52, 50, 50, 50, 62); c.stroke()
            dot(c, 50, 76, 5)
        },
        denied: c => { ring(c); c.lineWidth = 11; lines(c, [[28, 50], [72, 50]]) },
        try_later: c => { ring(c); lines(c, [[50, 25], [50, 52], [68, 62]]) },
        service: c => { lines(c, [[50, 10], [94, 88], [6, 88], [50, 10]]); lines(c, [[50, 40], [50, 62]]); dot(c, 50, 75, 5) },
        enrol: c => { person(c, 40); lines(c, [[80, 18], [80, 46]]); lines(c, [[66, 32], [94, 32]]) },
        people: c => { for (const y of [22, 50, 78]) { dot(c, 14, y, 6); lines(c, [[34, y], [90, y]]) } },
        lock: c => {
            c.strokeRect(20, 46, 60, 44)
            c.beginPath(); c.moveTo(33, 46); c.lineTo(33, 30); c.bezierCurveTo(33, 4, 67, 4, 67, 30); c.lineTo(67, 46); c.stroke()
        },
        back: c => { lines(c, [[62, 18], [30, 50], [62, 82]]) },
        erase: c => { lines(c, [[30, 24], [92, 24], [92, 76], [30, 76], [8, 50], [30, 24]]); lines(c, [[50, 40], [70, 60]]); lines(c, [[70, 40], [50, 60]]) },
        shift: c => { lines(c, [[50, 14], [86, 52], [66, 52], [66, 84], [34, 84], [34, 52], [14, 52], [50, 14]]) },
    })

    function ring(c) { c.beginPath(); c.arc(50, 50, 44, 0, 2 * Math.PI); c.stroke() }
    function dot(c, x, y, r) { c.beginPath(); c.arc(x, y, r, 0, 2 * Math.PI); c.fill() }
    function lines(c, points) {
        c.beginPath(); c.moveTo(points[0][0], points[0][1])
        for (const point of points.slice(1)) c.lineTo(point[0], point[1])
        c.stroke()
    }
    function person(c, x) {
        c.beginPath(); c.arc(x, 30, 19, 0, 2 * Math.PI); c.stroke()
        c.beginPath(); c.moveTo(x - 34, 92); c.bezierCurveTo(x - 34, 56, x + 34, 56, x + 34, 92); c.stroke()
    }
}
