// The ten digits, erase and OK, large enough for a finger. Numbers run from left to right in every language, and so do these.
import QtQuick

Grid {
    id: digits
    property string prefix: "key_"
    property real key: 50
    property bool ready: true
    property bool forField: false  // digits go to a field, which keeps the focus
    signal typed(string digit)
    signal erased()
    signal sent()
    columns: 3
    spacing: window.unit * 1.4
    LayoutMirroring.enabled: false
    Repeater {
        model: ["1", "2", "3", "4", "5", "6", "7", "8", "9", "erase", "0", "ok"]
        Touch {
            required property string modelData
            objectName: digits.prefix + modelData
            width: digits.key * 1.6
            height: digits.key
            size: window.unit * 4.6
            text: modelData === "erase" ? "" : modelData === "ok" ? "OK" : modelData
            icon: modelData === "erase" ? "erase" : ""
            label: modelData === "erase" ? qsTr("Erase") : text
            kind: modelData === "ok" ? "primary" : "plain"
            isKey: digits.forField && modelData !== "ok"
            on: modelData !== "ok" || digits.ready
            onPressed: modelData === "erase" ? digits.erased() : modelData === "ok" ? digits.sent() : digits.typed(modelData)
        }
    }
}
