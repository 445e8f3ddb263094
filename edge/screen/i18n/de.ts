<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
<context>
    <name>CodeMaker</name>
    <message>
        <source>Hand it over now. It cannot be shown again.</source>
        <translation>Jetzt übergeben. Er kann nicht noch einmal gezeigt werden.</translation>
    </message>
    <message>
        <source>A door code of eight digits is made and shown here. It takes the place of the one there was. Make sure that nobody else looks on.</source>
        <translation>Ein Türcode aus acht Ziffern wird erzeugt und hier gezeigt. Er ersetzt den bisherigen. Bitte darauf achten, dass niemand sonst zusieht.</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>Fertig</translation>
    </message>
    <message>
        <source>Make the code</source>
        <translation>Code erzeugen</translation>
    </message>
</context>
<context>
    <name>CodePage</name>
    <message>
        <source>Door code</source>
        <translation>Türcode</translation>
    </message>
    <message>
        <source>Welcome. The door is open.</source>
        <translation>Willkommen. Die Tür ist offen.</translation>
    </message>
</context>
<context>
    <name>ConsentPage</name>
    <message>
        <source>Before we begin</source>
        <translation>Bevor wir beginnen</translation>
    </message>
    <message>
        <source>What</source>
        <translation>Was</translation>
    </message>
    <message>
        <source>The camera looks at your face for up to 20 seconds. No picture is kept: from it a protected code is computed and stored on this device.</source>
        <translation>Die Kamera betrachtet Ihr Gesicht bis zu 20 Sekunden lang. Kein Bild wird behalten: Daraus wird ein geschützter Code berechnet und auf diesem Gerät gespeichert.</translation>
    </message>
    <message>
        <source>Why</source>
        <translation>Wozu</translation>
    </message>
    <message>
        <source>So that this door knows you when you come. The code is used for nothing else and leaves the device only in a backup of it.</source>
        <translation>Damit diese Tür Sie kennt, wenn Sie kommen. Der Code dient zu nichts anderem und verlässt das Gerät nur in einer Sicherungskopie.</translation>
    </message>
    <message>
        <source>How long</source>
        <translation>Wie lange</translation>
    </message>
    <message>
        <source>Until you or the operator have it deleted.</source>
        <translation>Bis Sie oder die Betreuung es löschen lassen.</translation>
    </message>
    <message>
        <source>How to delete it</source>
        <translation>Wie es gelöscht wird</translation>
    </message>
    <message>
        <source>Ask the operator at any time. It is gone at once, and you get a receipt.</source>
        <translation>Fragen Sie jederzeit die Betreuung. Es ist sofort weg, und Sie bekommen einen Beleg.</translation>
    </message>
    <message>
        <source>If you would rather not</source>
        <translation>Wenn Sie nicht möchten</translation>
    </message>
    <message>
        <source>Nobody has to. There is another way in; the operator will show you.</source>
        <translation>Niemand muss. Es gibt einen anderen Weg hinein; die Betreuung zeigt ihn Ihnen.</translation>
    </message>
    <message>
        <source>Text version %1</source>
        <translation>Textfassung %1</translation>
    </message>
    <message>
        <source>I do not agree</source>
        <translation>Ich stimme nicht zu</translation>
    </message>
    <message>
        <source>I agree</source>
        <translation>Ich stimme zu</translation>
    </message>
</context>
<context>
    <name>Dates</name>
    <message>
        <source>First day, as in %1</source>
        <translation>Erster Tag, wie %1</translation>
    </message>
    <message>
        <source>First day</source>
        <translation>Erster Tag</translation>
    </message>
    <message>
        <source>Last day, included</source>
        <translation>Letzter Tag, noch gültig</translation>
    </message>
    <message>
        <source>Last day</source>
        <translation>Letzter Tag</translation>
    </message>
    <message>
        <source>no limit</source>
        <translation>ohne Grenze</translation>
    </message>
</context>
<context>
    <name>Digits</name>
    <message>
        <source>Erase</source>
        <translation>Löschen</translation>
    </message>
</context>
<context>
    <name>DoorPage</name>
    <message>
        <source>Door code</source>
        <translation>Türcode</translation>
    </message>
    <message>
        <source>Operator</source>
        <translation>Betreuung</translation>
    </message>
</context>
<context>
    <name>Ends</name>
    <message>
        <source>Only today</source>
        <translation>Nur heute</translation>
    </message>
    <message>
        <source>30 days</source>
        <translation>30 Tage</translation>
    </message>
    <message>
        <source>365 days</source>
        <translation>365 Tage</translation>
    </message>
    <message>
        <source>Without end</source>
        <translation>Ohne Ende</translation>
    </message>
    <message>
        <source>Other dates</source>
        <translation>Anderer Zeitraum</translation>
    </message>
</context>
<context>
    <name>EnrolPage</name>
    <message>
        <source>Done</source>
        <translation>Fertig</translation>
    </message>
    <message>
        <source>Look at the camera</source>
        <translation>Blick in die Kamera</translation>
    </message>
    <message>
        <source>Enrolment</source>
        <translation>Aufnahme</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Recognised. It can be saved.</source>
        <translation>Erkannt. Es kann gespeichert werden.</translation>
    </message>
    <message>
        <source>Trying it now. Look at the camera.</source>
        <translation>Probe. Bitte in die Kamera blicken.</translation>
    </message>
    <message>
        <source>%1 of %2</source>
        <translation>%1 von %2</translation>
    </message>
    <message>
        <source>%1 s</source>
        <translation>%1 s</translation>
    </message>
    <message>
        <source>This person looks like %1, who is enrolled.</source>
        <translation>Diese Person sieht aus wie %1, schon aufgenommen.</translation>
    </message>
    <message>
        <source>It is the same person: renew</source>
        <translation>Dieselbe Person: erneuern</translation>
    </message>
    <message>
        <source>Somebody else who looks alike</source>
        <translation>Jemand anderes, der ähnlich aussieht</translation>
    </message>
    <message>
        <source>The references will be replaced by the new ones.</source>
        <translation>Die Referenzen werden durch die neuen ersetzt.</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>Name</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>Speichern</translation>
    </message>
    <message>
        <source>Try it now</source>
        <translation>Jetzt probieren</translation>
    </message>
    <message>
        <source>Capture again</source>
        <translation>Neu aufnehmen</translation>
    </message>
    <message>
        <source>%1 is enrolled.</source>
        <translation>%1 ist aufgenommen.</translation>
    </message>
    <message>
        <source>Nothing was stored.</source>
        <translation>Nichts wurde gespeichert.</translation>
    </message>
    <message>
        <source>Begin again</source>
        <translation>Neu beginnen</translation>
    </message>
    <message>
        <source>Dates</source>
        <translation>Zeitraum</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>Zurück</translation>
    </message>
    <message>
        <source>Dates: %1</source>
        <translation>Zeitraum: %1</translation>
    </message>
</context>
<context>
    <name>Keyboard</name>
    <message>
        <source>More characters</source>
        <translation>Weitere Zeichen</translation>
    </message>
    <message>
        <source>Shift</source>
        <translation>Umschalten</translation>
    </message>
    <message>
        <source>Other letters</source>
        <translation>Andere Buchstaben</translation>
    </message>
    <message>
        <source>Space</source>
        <translation>Leerzeichen</translation>
    </message>
    <message>
        <source>Erase</source>
        <translation>Löschen</translation>
    </message>
</context>
<context>
    <name>Keypad</name>
    <message>
        <source>Digits entered: %1</source>
        <translation>Eingegebene Ziffern: %1</translation>
    </message>
</context>
<context>
    <name>MenuPage</name>
    <message>
        <source>Operator</source>
        <translation>Betreuung</translation>
    </message>
    <message>
        <source>Lock and leave</source>
        <translation>Sperren und zurück</translation>
    </message>
    <message>
        <source>Enrol somebody</source>
        <translation>Jemanden aufnehmen</translation>
    </message>
    <message>
        <source>People</source>
        <translation>Personen</translation>
    </message>
</context>
<context>
    <name>Panel</name>
    <message>
        <source>Back</source>
        <translation>Zurück</translation>
    </message>
</context>
<context>
    <name>PeoplePage</name>
    <message>
        <source>People</source>
        <translation>Personen</translation>
    </message>
    <message>
        <source>%1 and %2 look so alike that the door may take one for the other. Enrol one of them again.</source>
        <translation>%1 und %2 sehen sich so ähnlich, dass die Tür sie verwechseln kann. Bitte eine der beiden neu aufnehmen.</translation>
    </message>
    <message>
        <source>Revoked. Receipt: %1</source>
        <translation>Widerrufen. Beleg: %1</translation>
    </message>
    <message>
        <source>Renewed. Receipt: %1</source>
        <translation>Erneuert. Beleg: %1</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>Suchen</translation>
    </message>
    <message>
        <source>Hide keys</source>
        <translation>Tasten aus</translation>
    </message>
    <message>
        <source>Show keys</source>
        <translation>Tasten ein</translation>
    </message>
    <message>
        <source>Nobody is found.</source>
        <translation>Niemand gefunden.</translation>
    </message>
    <message>
        <source>Previous</source>
        <translation>Zurück</translation>
    </message>
    <message>
        <source>Next</source>
        <translation>Weiter</translation>
    </message>
    <message>
        <source>Enrolled %1</source>
        <translation>Aufgenommen am %1</translation>
    </message>
    <message>
        <source>not seen lately</source>
        <translation>länger nicht gesehen</translation>
    </message>
    <message>
        <source>last seen %1</source>
        <translation>zuletzt gesehen %1</translation>
    </message>
    <message>
        <source>Renew the protection</source>
        <translation>Schutz erneuern</translation>
    </message>
    <message>
        <source>Revoke for good</source>
        <translation>Endgültig widerrufen</translation>
    </message>
    <message>
        <source>The date is changed. Receipt: %1</source>
        <translation>Das Datum ist geändert. Beleg: %1</translation>
    </message>
    <message>
        <source>Dates</source>
        <translation>Zeitraum</translation>
    </message>
    <message>
        <source>Door code</source>
        <translation>Türcode</translation>
    </message>
    <message>
        <source>New door code</source>
        <translation>Neuer Türcode</translation>
    </message>
</context>
<context>
    <name>PinPage</name>
    <message>
        <source>Operator's PIN</source>
        <translation>PIN der Betreuung</translation>
    </message>
</context>
<context>
    <name>Preview</name>
    <message>
        <source>What the camera sees</source>
        <translation>Was die Kamera sieht</translation>
    </message>
</context>
<context>
    <name>Words</name>
    <message>
        <source>%1 s</source>
        <translation>%1 s</translation>
    </message>
    <message>
        <source>Please come nearer</source>
        <translation>Bitte näher treten</translation>
    </message>
    <message>
        <source>Please look here</source>
        <translation>Bitte hierher blicken</translation>
    </message>
    <message>
        <source>One moment</source>
        <translation>Einen Moment</translation>
    </message>
    <message>
        <source>Welcome</source>
        <translation>Willkommen</translation>
    </message>
    <message>
        <source>Not recognised</source>
        <translation>Nicht erkannt</translation>
    </message>
    <message>
        <source>No entry now</source>
        <translation>Jetzt kein Zutritt</translation>
    </message>
    <message>
        <source>Please try later</source>
        <translation>Bitte später</translation>
    </message>
    <message>
        <source>Out of service</source>
        <translation>Außer Betrieb</translation>
    </message>
    <message>
        <source>Please have patience</source>
        <translation>Bitte etwas Geduld</translation>
    </message>
    <message>
        <source>Storage full</source>
        <translation>Speicher voll</translation>
    </message>
    <message>
        <source>Please stay where you are.</source>
        <translation>Bitte bleiben Sie stehen.</translation>
    </message>
    <message>
        <source>Please type your door code, or ask at the desk.</source>
        <translation>Bitte Türcode eingeben oder am Empfang fragen.</translation>
    </message>
    <message>
        <source>Please ring, or ask at the desk.</source>
        <translation>Bitte läuten oder am Empfang fragen.</translation>
    </message>
    <message>
        <source>You are known, but may not enter at this time. Please ask at the desk.</source>
        <translation>Sie sind bekannt, dürfen aber zu dieser Zeit nicht hinein. Bitte am Empfang fragen.</translation>
    </message>
    <message>
        <source>There were too many attempts. Please ask at the desk.</source>
        <translation>Es waren zu viele Versuche. Bitte am Empfang fragen.</translation>
    </message>
    <message>
        <source>The door is being prepared. It works, more slowly.</source>
        <translation>Die Tür wird vorbereitet. Sie arbeitet, nur langsamer.</translation>
    </message>
    <message>
        <source>The camera gives no picture. Please use the bell.</source>
        <translation>Die Kamera liefert kein Bild. Bitte läuten.</translation>
    </message>
    <message>
        <source>The key of this door is missing or does not fit. Please use the bell. The operator is needed.</source>
        <translation>Der Schlüssel dieser Tür fehlt oder passt nicht. Bitte läuten. Die Betreuung wird gebraucht.</translation>
    </message>
    <message>
        <source>The list of people was altered or cannot be read. Nobody is let in. Please use the bell. The operator is needed.</source>
        <translation>Die Liste der Personen wurde verändert oder ist nicht lesbar. Niemand wird eingelassen. Bitte läuten. Die Betreuung wird gebraucht.</translation>
    </message>
    <message>
        <source>A network file is missing or altered. Please use the bell. The operator is needed.</source>
        <translation>Eine Netzdatei fehlt oder wurde verändert. Bitte läuten. Die Betreuung wird gebraucht.</translation>
    </message>
    <message>
        <source>A setting does not fit. Please use the bell. The operator is needed.</source>
        <translation>Eine Einstellung passt nicht. Bitte läuten. Die Betreuung wird gebraucht.</translation>
    </message>
    <message>
        <source>The storage is full. The door works, but nobody can be enrolled.</source>
        <translation>Der Speicher ist voll. Die Tür arbeitet, aber niemand kann aufgenommen werden.</translation>
    </message>
    <message>
        <source>The storage is full. Please use the bell. The operator is needed.</source>
        <translation>Der Speicher ist voll. Bitte läuten. Die Betreuung wird gebraucht.</translation>
    </message>
    <message>
        <source>The door is starting. Please use the bell.</source>
        <translation>Die Tür startet. Bitte läuten.</translation>
    </message>
    <message>
        <source>The door has stopped. Please use the bell. The operator is needed.</source>
        <translation>Die Tür ist stehen geblieben. Bitte läuten. Die Betreuung wird gebraucht.</translation>
    </message>
    <message>
        <source>Part %1 of %2.</source>
        <translation>Teil %1 von %2.</translation>
    </message>
    <message>
        <source>About %1 s left.</source>
        <translation>Noch etwa %1 s.</translation>
    </message>
    <message>
        <source>About %1 min left.</source>
        <translation>Noch etwa %1 min.</translation>
    </message>
    <message>
        <source>Show your face to the camera.</source>
        <translation>Zeigen Sie der Kamera Ihr Gesicht.</translation>
    </message>
    <message>
        <source>One person at a time, please.</source>
        <translation>Bitte nur eine Person.</translation>
    </message>
    <message>
        <source>Come a little nearer.</source>
        <translation>Kommen Sie etwas näher.</translation>
    </message>
    <message>
        <source>Step back a little.</source>
        <translation>Treten Sie etwas zurück.</translation>
    </message>
    <message>
        <source>Move to your left.</source>
        <translation>Gehen Sie nach links.</translation>
    </message>
    <message>
        <source>Move to your right.</source>
        <translation>Gehen Sie nach rechts.</translation>
    </message>
    <message>
        <source>Move up a little.</source>
        <translation>Etwas höher, bitte.</translation>
    </message>
    <message>
        <source>Move down a little.</source>
        <translation>Etwas tiefer, bitte.</translation>
    </message>
    <message>
        <source>Look straight at the camera.</source>
        <translation>Blicken Sie gerade in die Kamera.</translation>
    </message>
    <message>
        <source>Hold your head upright.</source>
        <translation>Halten Sie den Kopf gerade.</translation>
    </message>
    <message>
        <source>More light on your face, please.</source>
        <translation>Bitte mehr Licht aufs Gesicht.</translation>
    </message>
    <message>
        <source>Too much light on your face.</source>
        <translation>Zu viel Licht im Gesicht.</translation>
    </message>
    <message>
        <source>Hold still.</source>
        <translation>Halten Sie still.</translation>
    </message>
    <message>
        <source>Good. Turn your head slowly.</source>
        <translation>Gut. Drehen Sie langsam den Kopf.</translation>
    </message>
    <message>
        <source>Look at the camera.</source>
        <translation>Blicken Sie in die Kamera.</translation>
    </message>
    <message>
        <source>The door is not there. Please try again.</source>
        <translation>Die Tür ist nicht da. Bitte noch einmal versuchen.</translation>
    </message>
    <message>
        <source>The camera gives no picture.</source>
        <translation>Die Kamera liefert kein Bild.</translation>
    </message>
    <message>
        <source>The door is being prepared. Please try later.</source>
        <translation>Die Tür wird vorbereitet. Bitte später versuchen.</translation>
    </message>
    <message>
        <source>It could not be stored: the storage is full or cannot be written.</source>
        <translation>Es konnte nicht gespeichert werden: Der Speicher ist voll oder nicht beschreibbar.</translation>
    </message>
    <message>
        <source>The key is missing.</source>
        <translation>Der Schlüssel fehlt.</translation>
    </message>
    <message>
        <source>The list of people was altered or cannot be read.</source>
        <translation>Die Liste der Personen wurde verändert oder ist nicht lesbar.</translation>
    </message>
    <message>
        <source>A network file is missing or altered.</source>
        <translation>Eine Netzdatei fehlt oder wurde verändert.</translation>
    </message>
    <message>
        <source>A setting does not fit.</source>
        <translation>Eine Einstellung passt nicht.</translation>
    </message>
    <message>
        <source>One thing at a time. Please wait.</source>
        <translation>Eins nach dem anderen. Bitte warten.</translation>
    </message>
    <message>
        <source>Locked. The PIN is needed again.</source>
        <translation>Gesperrt. Die PIN wird wieder gebraucht.</translation>
    </message>
    <message>
        <source>No PIN is set yet. Set one on the device: edge pin set</source>
        <translation>Noch keine PIN. Auf dem Gerät setzen: edge pin set</translation>
    </message>
    <message>
        <source>That is not the PIN.</source>
        <translation>Das ist nicht die PIN.</translation>
    </message>
    <message>
        <source>Too many attempts. Please wait.</source>
        <translation>Zu viele Versuche. Bitte warten.</translation>
    </message>
    <message>
        <source>The consent text has changed. Begin again.</source>
        <translation>Der Einwilligungstext wurde geändert. Bitte neu beginnen.</translation>
    </message>
    <message>
        <source>There were too few good pictures. More light and a calm head help.</source>
        <translation>Zu wenige gute Bilder. Mehr Licht und ein ruhiger Kopf helfen.</translation>
    </message>
    <message>
        <source>The pictures were not of one person. One at a time, please.</source>
        <translation>Die Bilder zeigten nicht eine Person. Bitte einzeln.</translation>
    </message>
    <message>
        <source>Not recognised. Capture again, or try once more.</source>
        <translation>Nicht erkannt. Neu aufnehmen oder noch einmal probieren.</translation>
    </message>
    <message>
        <source>A name is needed: 1 to 64 letters.</source>
        <translation>Ein Name wird gebraucht: 1 bis 64 Zeichen.</translation>
    </message>
    <message>
        <source>Somebody of this name is enrolled. Choose another.</source>
        <translation>Dieser Name ist vergeben. Bitte einen anderen.</translation>
    </message>
    <message>
        <source>This person is no longer enrolled.</source>
        <translation>Diese Person ist nicht mehr aufgenommen.</translation>
    </message>
    <message>
        <source>That did not open the door. Check the code, or ask at the desk.</source>
        <translation>Das hat die Tür nicht geöffnet. Code prüfen oder am Empfang fragen.</translation>
    </message>
    <message>
        <source>Please begin again.</source>
        <translation>Bitte neu beginnen.</translation>
    </message>
    <message>
        <source>That did not work. Nothing was stored.</source>
        <translation>Das ging nicht. Nichts wurde gespeichert.</translation>
    </message>
    <message>
        <source>May pass from %1</source>
        <translation>Zutritt ab %1</translation>
    </message>
    <message>
        <source>May pass until %1</source>
        <translation>Zutritt bis %1</translation>
    </message>
    <message>
        <source>Expired: %1</source>
        <translation>Abgelaufen: %1</translation>
    </message>
    <message>
        <source>no limit</source>
        <translation>ohne Grenze</translation>
    </message>
    <message>
        <source>from %1</source>
        <translation>ab %1</translation>
    </message>
    <message>
        <source>until %1</source>
        <translation>bis %1</translation>
    </message>
    <message>
        <source>The first day is no date. Write it as in %1.</source>
        <translation>Der erste Tag ist kein Datum. Bitte so schreiben: %1.</translation>
    </message>
    <message>
        <source>The last day is no date. Write it as in %1.</source>
        <translation>Der letzte Tag ist kein Datum. Bitte so schreiben: %1.</translation>
    </message>
    <message>
        <source>The last day lies before the first. Change one of them.</source>
        <translation>Der letzte Tag liegt vor dem ersten. Bitte einen davon ändern.</translation>
    </message>
    <message>
        <source>The last day is over already. Choose a later one.</source>
        <translation>Der letzte Tag ist schon vorbei. Bitte einen späteren wählen.</translation>
    </message>
</context>
</TS>
