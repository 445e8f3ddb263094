// The end of somebody's time, by one touch.
import QtQuick

Flow {
    id: ends
    property bool others: false  // whether other dates can be asked for
    signal chosen(int days)  // from today; below 0: without end
    signal othersWanted()
    spacing: window.unit * 3
    Touch { objectName: "endToday"; text: qsTr("Only today"); onPressed: ends.chosen(0) }
    Touch { objectName: "endMonth"; text: qsTr("30 days"); onPressed: ends.chosen(30) }
    Touch { objectName: "endYear"; text: qsTr("365 days"); onPressed: ends.chosen(365) }
    Touch { objectName: "endNever"; text: qsTr("Without end"); onPressed: ends.chosen(-1) }
    Touch { objectName: "openDates"; visible: ends.others; text: qsTr("Other dates"); onPressed: ends.othersWanted() }
}
