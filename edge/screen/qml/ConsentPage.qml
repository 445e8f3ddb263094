// What a person agrees to before anything is captured. Whoever changes a word here raises `version`, and CONSENT in edge/assembly/desk.py.
import QtQuick

Panel {
    id: page
    objectName: "consentPage"
    readonly property string version: "1"
    heading: qsTr("Before we begin")
    onBack: window.go("menu")
    Flickable {
        id: scroll
        anchors { left: parent.left; right: parent.right; top: parent.top; bottom: buttons.top; bottomMargin: window.unit * 2 }
        contentHeight: text.implicitHeight
        clip: true
        Column {
            id: text
            width: scroll.width
            spacing: window.unit * 1.5
            Repeater {
                model: [
                    [qsTr("What"), qsTr("The camera looks at your face for up to 20 seconds. No picture is kept: from it a protected code is computed and stored on this device.")],
                    [qsTr("Why"), qsTr("So that this door knows you when you come. The code is used for nothing else and leaves the device only in a backup of it.")],
                    [qsTr("How long"), qsTr("Until you or the operator have it deleted.")],
                    [qsTr("How to delete it"), qsTr("Ask the operator at any time. It is gone at once, and you get a receipt.")],
                    [qsTr("If you would rather not"), qsTr("Nobody has to. There is another way in; the operator will show you.")],
                ]
                Column {
                    required property var modelData
                    width: text.width
                    Said { text: modelData[0]; color: page.ink; font.pixelSize: window.unit * (page.wide ? 3.6 : 4.6); font.weight: Font.Bold; width: parent.width; wrapMode: Text.Wrap }
                    Said { text: modelData[1]; color: page.ink; font.pixelSize: window.unit * (page.wide ? 3.4 : 4.4); width: parent.width; wrapMode: Text.Wrap }
                }
            }
            Said { text: qsTr("Text version %1").arg(page.version); color: door.colours.parts.faint[1]; font.pixelSize: window.unit * 2.6 }
        }
    }
    Row {
        id: buttons
        anchors { right: parent.right; bottom: parent.bottom }
        spacing: window.unit * 2
        Touch { objectName: "decline"; text: qsTr("I do not agree"); onPressed: window.go("menu") }
        Touch { objectName: "agree"; text: qsTr("I agree"); kind: "primary"; onPressed: { door.start_enrolment(page.version); window.go("enrol") } }
    }
}
