// What everybody sees: one state, as colour, icon, words and (by the hook) a sound.
import QtQuick

Rectangle {
    id: page
    objectName: "doorPage"
    readonly property string state_: door.state
    readonly property var colours: door.colours.states[state_]
    readonly property bool mirror: state_ === "look_here" || state_ === "checking"
    readonly property bool wide: width > height
    color: colours[0]
    Behavior on color { ColorAnimation { duration: window.still ? 0 : 180 } }

    Accessible.role: Accessible.AlertMessage
    Accessible.name: [title.text, who.text, line.text].filter(text => text !== "").join(". ")

    Item {
        id: stage
        anchors { left: parent.left; right: parent.right; top: parent.top; bottom: foot.top; margins: window.unit * 4 }

        Item {
            id: figure
            width: page.wide ? stage.width * (page.mirror ? 0.5 : 0.36) : stage.width
            height: page.wide ? stage.height : stage.height * 0.48
            Preview {
                visible: page.mirror
                anchors.fill: parent
                colour: page.colours[1]
            }
            Icon {
                visible: !page.mirror
                anchors.centerIn: parent
                width: Math.min(parent.width, parent.height) * (page.state_ === "idle" ? 0.55 : 0.8)
                height: width
                kind: page.state_
                colour: page.colours[page.state_ === "idle" ? 2 : 1]
            }
        }
        Column {
            spacing: window.unit * 2.5
            x: page.wide ? figure.width + window.unit * 5 : 0
            width: stage.width - x
            y: page.wide ? (stage.height - height) / 2 : figure.height + window.unit * 4
            Icon {
                visible: page.mirror
                width: window.unit * 12
                height: width
                kind: page.state_
                colour: page.colours[1]
                x: page.wide ? 0 : (parent.width - width) / 2
            }
            Text {
                id: title
                objectName: "title"
                width: parent.width
                text: words.title(page.state_, door.trouble)
                color: page.colours[1]
                font.pixelSize: window.unit * (page.state_ === "idle" ? 9 : page.mirror ? 9.5 : 11)
                font.weight: Font.Bold
                wrapMode: Text.Wrap
                textFormat: Text.PlainText
                horizontalAlignment: page.wide ? Text.AlignLeft : Text.AlignHCenter
            }
            Text {
                id: who
                objectName: "who"
                visible: text !== ""
                width: parent.width
                text: page.state_ === "welcome" ? door.name : ""
                color: page.colours[1]
                font.pixelSize: window.unit * (text.length > 24 ? 6.5 : 8.5)
                wrapMode: Text.Wrap
                maximumLineCount: 3
                elide: Text.ElideRight
                textFormat: Text.PlainText
                horizontalAlignment: page.wide ? Text.AlignLeft : Text.AlignHCenter
            }
            Text {
                id: line
                objectName: "line"
                visible: text !== ""
                width: parent.width
                text: words.line(page.state_, door.trouble, door.hint, door.codes)
                color: page.colours[2]
                font.pixelSize: window.unit * 5.6
                wrapMode: Text.Wrap
                textFormat: Text.PlainText
                horizontalAlignment: page.wide ? Text.AlignLeft : Text.AlignHCenter
            }
        }
    }

    Item {
        id: foot
        anchors { left: parent.left; right: parent.right; bottom: parent.bottom; margins: window.unit * 2 }
        height: Math.max(52, window.unit * 9)
        Row {
            anchors { left: parent.left; verticalCenter: parent.verticalCenter }
            spacing: window.unit
            Repeater {
                model: Object.keys(door.languages)
                Corner {
                    required property string modelData
                    objectName: "language_" + modelData
                    text: modelData === "zh" ? "中文" : modelData.toUpperCase()
                    label: door.languages[modelData]
                    chosen: door.language === modelData
                    ink: page.colours[2]
                    onPressed: door.choose(modelData)
                }
            }
        }
        Touch {
            objectName: "code"
            anchors { right: operator.left; rightMargin: window.unit; verticalCenter: parent.verticalCenter }
            visible: door.codes && page.state_ !== "welcome"
            text: qsTr("Door code")
            onPressed: window.go("code")
        }
        Corner {
            id: operator
            objectName: "operator"
            anchors { right: parent.right; verticalCenter: parent.verticalCenter }
            visible: door.connected
            icon: "lock"
            label: qsTr("Operator")
            ink: page.colours[2]
            onPressed: window.go("pin")
        }
    }
}
