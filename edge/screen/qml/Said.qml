// A text that informs, for eyes and for a screen reader; never markup.
import QtQuick

Text {
    wrapMode: Text.Wrap
    textFormat: Text.PlainText
    Accessible.role: Accessible.StaticText
    Accessible.name: text
    Accessible.ignored: text === "" || !visible
}
