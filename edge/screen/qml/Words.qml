// Every text that stands for a word of the door. One place, so that none is forgotten in a language.
import QtQml

QtObject {
    function title(state, trouble) {
        switch (state) {
        case "idle": return qsTr("Please come nearer")
        case "look_here": return qsTr("Please look here")
        case "checking": return qsTr("One moment")
        case "welcome": return qsTr("Welcome")
        case "not_recognised": return qsTr("Not recognised")
        case "denied": return qsTr("No entry now")
        case "try_later": return qsTr("Please try later")
        default: return !door.connected ? qsTr("Out of service") : trouble === "plan" ? qsTr("Please have patience") : trouble === "storage" ? qsTr("Storage full") : qsTr("Out of service")
        }
    }

    function line(state, trouble, hintCode, code) {
        switch (state) {
        case "look_here": return hint(hintCode)
        case "checking": return qsTr("Please stay where you are.")
        case "not_recognised": return code ? qsTr("Please type your door code, or ask at the desk.") : qsTr("Please ring, or ask at the desk.")
        case "denied": return qsTr("You are known, but may not enter at this time. Please ask at the desk.")
        case "try_later": return qsTr("There were too many attempts. Please ask at the desk.")
        case "service": return service(trouble)
        default: return ""
        }
    }

    // what everybody may read of a fault: what it is, and the other way in
    function service(code) {
        switch (code) {
        case "": return ""
        case "plan": return qsTr("The door is being prepared. It works, more slowly.") + joined(left(door.building))
        case "camera": return qsTr("The camera gives no picture. Please use the bell.")
        case "key": return qsTr("The key of this door is missing or does not fit. Please use the bell. The operator is needed.")
        case "gallery": return qsTr("The list of people was altered or cannot be read. Nobody is let in. Please use the bell. The operator is needed.")
        case "network": return qsTr("A network file is missing or altered. Please use the bell. The operator is needed.")
        case "settings": return qsTr("A setting does not fit. Please use the bell. The operator is needed.")
        case "storage": return door.connected ? qsTr("The storage is full. The door works, but nobody can be enrolled.") : qsTr("The storage is full. Please use the bell. The operator is needed.")
        case "away": return qsTr("The door is starting. Please use the bell.")
        default: return qsTr("The door has stopped. Please use the bell. The operator is needed.")
        }
    }

    function joined(more) { return door.language === "zh" ? more.replace(/ (?=第|约)/g, "") : more }  // no spaces between Chinese sentences

    function left(building) {
        if (building.parts === undefined) return ""
        const part = building.parts > 1 ? " " + qsTr("Part %1 of %2.").arg(building.part).arg(building.parts) : ""
        if (building.seconds < 0) return part
        return part + " " + (building.seconds < 120 ? qsTr("About %1 s left.").arg(building.seconds) : qsTr("About %1 min left.").arg(Math.ceil(building.seconds / 60)))
    }

    function hint(code) {
        switch (code) {
        case "show_face": return qsTr("Show your face to the camera.")
        case "one_person": return qsTr("One person at a time, please.")
        case "come_nearer": return qsTr("Come a little nearer.")
        case "step_back": return qsTr("Step back a little.")
        case "move_left": return qsTr("Move to your left.")
        case "move_right": return qsTr("Move to your right.")
        case "move_up": return qsTr("Move up a little.")
        case "move_down": return qsTr("Move down a little.")
        case "face_camera": return qsTr("Look straight at the camera.")
        case "hold_upright": return qsTr("Hold your head upright.")
        case "more_light": return qsTr("More light on your face, please.")
        case "less_light": return qsTr("Too much light on your face.")
        case "hold_still": return qsTr("Hold still.")
        case "turn_a_little": return qsTr("Good. Turn your head slowly.")
        default: return qsTr("Look at the camera.")
        }
    }

    // a date stays in one piece among letters that run from the right
    function date(text) { return window.rightToLeft ? "\u2066" + text + "\u2069" : text }

    function between(begins, ends, expired) {
        const parts = []
        if (begins !== "") parts.push(qsTr("May pass from %1").arg(date(begins)))
        if (ends !== "") parts.push((expired ? qsTr("Expired: %1") : qsTr("May pass until %1")).arg(date(ends)))
        return parts.join(" · ")
    }

    function span(begins, ends) {
        if (begins === "" && ends === "") return qsTr("no limit")
        return ends === "" ? qsTr("from %1").arg(date(begins)) : begins === "" ? qsTr("until %1").arg(date(ends)) : date(begins) + " – " + date(ends)
    }

    function waitFor(code, seconds) { return why(code) + (seconds > 0 ? " " + qsTr("%1 s").arg(Math.ceil(seconds)) : "") }

    function why(code) {
        switch (code) {
        case "": return ""
        case "away": return qsTr("The door is not there. Please try again.")
        case "camera": return qsTr("The camera gives no picture.")
        case "plan": return qsTr("The door is being prepared. Please try later.")
        case "storage": return qsTr("It could not be stored: the storage is full or cannot be written.")
        case "key": return qsTr("The key is missing.")
        case "gallery": return qsTr("The list of people was altered or cannot be read.")
        case "network": return qsTr("A network file is missing or altered.")
        case "settings": return qsTr("A setting does not fit.")
        case "busy": return qsTr("One thing at a time. Please wait.")
        case "locked": return qsTr("Locked. The PIN is needed again.")
        case "no_pin": return qsTr("No PIN is set yet. Set one on the device: edge pin set")
        case "wrong_pin": return qsTr("That is not the PIN.")
        case "wait": return qsTr("Too many attempts. Please wait.")
        case "consent": return qsTr("The consent text has changed. Begin again.")
        case "no_samples": return qsTr("There were too few good pictures. More light and a calm head help.")
        case "inconsistent": return qsTr("The pictures were not of one person. One at a time, please.")
        case "not_alike": return qsTr("Not recognised. Capture again, or try once more.")
        case "name": return qsTr("A name is needed: 1 to 64 letters.")
        case "name_taken": return qsTr("Somebody of this name is enrolled. Choose another.")
        case "bad_begin": return qsTr("The first day is no date. Write it as in %1.").arg(date(door.day(0)))
        case "bad_end": return qsTr("The last day is no date. Write it as in %1.").arg(date(door.day(0)))
        case "ends_first": return qsTr("The last day lies before the first. Change one of them.")
        case "ended": return qsTr("The last day is over already. Choose a later one.")
        case "no_subject": return qsTr("This person is no longer enrolled.")
        case "not_let_in": return qsTr("That did not open the door. Check the code, or ask at the desk.")
        case "out_of_order": return qsTr("Please begin again.")
        default: return qsTr("That did not work. Nothing was stored.")
        }
    }
}
