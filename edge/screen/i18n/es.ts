<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="es" sourcelanguage="en">
<context>
    <name>CodeMaker</name>
    <message>
        <source>Hand it over now. It cannot be shown again.</source>
        <translation>Entréguelo ahora. No se puede volver a mostrar.</translation>
    </message>
    <message>
        <source>A door code of eight digits is made and shown here. It takes the place of the one there was. Make sure that nobody else looks on.</source>
        <translation>Se crea un código de puerta de ocho cifras y se muestra aquí. Sustituye al que hubiera. Asegúrese de que nadie más mire.</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>Listo</translation>
    </message>
    <message>
        <source>Make the code</source>
        <translation>Crear el código</translation>
    </message>
</context>
<context>
    <name>CodePage</name>
    <message>
        <source>Door code</source>
        <translation>Código de puerta</translation>
    </message>
    <message>
        <source>Welcome. The door is open.</source>
        <translation>Le damos la bienvenida. La puerta está abierta.</translation>
    </message>
</context>
<context>
    <name>ConsentPage</name>
    <message>
        <source>Before we begin</source>
        <translation>Antes de empezar</translation>
    </message>
    <message>
        <source>What</source>
        <translation>Qué</translation>
    </message>
    <message>
        <source>The camera looks at your face for up to 20 seconds. No picture is kept: from it a protected code is computed and stored on this device.</source>
        <translation>La cámara mira su cara hasta 20 segundos. No se guarda ninguna imagen: con ella se calcula un código protegido que queda en este aparato.</translation>
    </message>
    <message>
        <source>Why</source>
        <translation>Para qué</translation>
    </message>
    <message>
        <source>So that this door knows you when you come. The code is used for nothing else and leaves the device only in a backup of it.</source>
        <translation>Para que esta puerta le conozca cuando venga. El código no sirve para nada más y solo sale del aparato en una copia de seguridad.</translation>
    </message>
    <message>
        <source>How long</source>
        <translation>Cuánto tiempo</translation>
    </message>
    <message>
        <source>Until you or the operator have it deleted.</source>
        <translation>Hasta que usted o la persona encargada lo hagan borrar.</translation>
    </message>
    <message>
        <source>How to delete it</source>
        <translation>Cómo se borra</translation>
    </message>
    <message>
        <source>Ask the operator at any time. It is gone at once, and you get a receipt.</source>
        <translation>Pídalo cuando quiera a la persona encargada. Se borra al instante y recibe un comprobante.</translation>
    </message>
    <message>
        <source>If you would rather not</source>
        <translation>Si prefiere que no</translation>
    </message>
    <message>
        <source>Nobody has to. There is another way in; the operator will show you.</source>
        <translation>Nadie está obligado. Hay otra forma de entrar; se la enseñará la persona encargada.</translation>
    </message>
    <message>
        <source>Text version %1</source>
        <translation>Versión del texto %1</translation>
    </message>
    <message>
        <source>I do not agree</source>
        <translation>No estoy de acuerdo</translation>
    </message>
    <message>
        <source>I agree</source>
        <translation>Estoy de acuerdo</translation>
    </message>
</context>
<context>
    <name>Dates</name>
    <message>
        <source>First day, as in %1</source>
        <translation>Primer día, como %1</translation>
    </message>
    <message>
        <source>First day</source>
        <translation>Primer día</translation>
    </message>
    <message>
        <source>Last day, included</source>
        <translation>Último día, incluido</translation>
    </message>
    <message>
        <source>Last day</source>
        <translation>Último día</translation>
    </message>
    <message>
        <source>no limit</source>
        <translation>sin límite</translation>
    </message>
</context>
<context>
    <name>Digits</name>
    <message>
        <source>Erase</source>
        <translation>Borrar</translation>
    </message>
</context>
<context>
    <name>DoorPage</name>
    <message>
        <source>Door code</source>
        <translation>Código de puerta</translation>
    </message>
    <message>
        <source>Operator</source>
        <translation>Encargado</translation>
    </message>
</context>
<context>
    <name>Ends</name>
    <message>
        <source>Only today</source>
        <translation>Solo hoy</translation>
    </message>
    <message>
        <source>30 days</source>
        <translation>30 días</translation>
    </message>
    <message>
        <source>365 days</source>
        <translation>365 días</translation>
    </message>
    <message>
        <source>Without end</source>
        <translation>Sin fecha final</translation>
    </message>
    <message>
        <source>Other dates</source>
        <translation>Otras fechas</translation>
    </message>
</context>
<context>
    <name>EnrolPage</name>
    <message>
        <source>Done</source>
        <translation>Listo</translation>
    </message>
    <message>
        <source>Look at the camera</source>
        <translation>Mire a la cámara</translation>
    </message>
    <message>
        <source>Enrolment</source>
        <translation>Alta</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Cancelar</translation>
    </message>
    <message>
        <source>Recognised. It can be saved.</source>
        <translation>Reconocido. Se puede guardar.</translation>
    </message>
    <message>
        <source>Trying it now. Look at the camera.</source>
        <translation>Probando. Mire a la cámara.</translation>
    </message>
    <message>
        <source>%1 of %2</source>
        <translation>%1 de %2</translation>
    </message>
    <message>
        <source>%1 s</source>
        <translation>%1 s</translation>
    </message>
    <message>
        <source>This person looks like %1, who is enrolled.</source>
        <translation>Esta persona se parece a %1, que ya está de alta.</translation>
    </message>
    <message>
        <source>It is the same person: renew</source>
        <translation>Es la misma persona: renovar</translation>
    </message>
    <message>
        <source>Somebody else who looks alike</source>
        <translation>Otra persona parecida</translation>
    </message>
    <message>
        <source>The references will be replaced by the new ones.</source>
        <translation>Las referencias se sustituirán por las nuevas.</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>Nombre</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>Guardar</translation>
    </message>
    <message>
        <source>Try it now</source>
        <translation>Probar ahora</translation>
    </message>
    <message>
        <source>Capture again</source>
        <translation>Captar de nuevo</translation>
    </message>
    <message>
        <source>%1 is enrolled.</source>
        <translation>%1 está de alta.</translation>
    </message>
    <message>
        <source>Nothing was stored.</source>
        <translation>No se ha guardado nada.</translation>
    </message>
    <message>
        <source>Begin again</source>
        <translation>Empezar de nuevo</translation>
    </message>
    <message>
        <source>Dates</source>
        <translation>Fechas</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>Volver</translation>
    </message>
    <message>
        <source>Dates: %1</source>
        <translation>Fechas: %1</translation>
    </message>
</context>
<context>
    <name>Keyboard</name>
    <message>
        <source>More characters</source>
        <translation>Más caracteres</translation>
    </message>
    <message>
        <source>Shift</source>
        <translation>Mayúsculas</translation>
    </message>
    <message>
        <source>Other letters</source>
        <translation>Otras letras</translation>
    </message>
    <message>
        <source>Space</source>
        <translation>Espacio</translation>
    </message>
    <message>
        <source>Erase</source>
        <translation>Borrar</translation>
    </message>
</context>
<context>
    <name>Keypad</name>
    <message>
        <source>Digits entered: %1</source>
        <translation>Cifras introducidas: %1</translation>
    </message>
</context>
<context>
    <name>MenuPage</name>
    <message>
        <source>Operator</source>
        <translation>Encargado</translation>
    </message>
    <message>
        <source>Lock and leave</source>
        <translation>Bloquear y salir</translation>
    </message>
    <message>
        <source>Enrol somebody</source>
        <translation>Dar de alta</translation>
    </message>
    <message>
        <source>People</source>
        <translation>Personas</translation>
    </message>
</context>
<context>
    <name>Panel</name>
    <message>
        <source>Back</source>
        <translation>Atrás</translation>
    </message>
</context>
<context>
    <name>PeoplePage</name>
    <message>
        <source>People</source>
        <translation>Personas</translation>
    </message>
    <message>
        <source>%1 and %2 look so alike that the door may take one for the other. Enrol one of them again.</source>
        <translation>%1 y %2 se parecen tanto que la puerta puede confundirlos. Dé de alta a uno de nuevo.</translation>
    </message>
    <message>
        <source>Revoked. Receipt: %1</source>
        <translation>Revocado. Comprobante: %1</translation>
    </message>
    <message>
        <source>Renewed. Receipt: %1</source>
        <translation>Renovado. Comprobante: %1</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>Buscar</translation>
    </message>
    <message>
        <source>Hide keys</source>
        <translation>Ocultar teclas</translation>
    </message>
    <message>
        <source>Show keys</source>
        <translation>Mostrar teclas</translation>
    </message>
    <message>
        <source>Nobody is found.</source>
        <translation>No se encuentra a nadie.</translation>
    </message>
    <message>
        <source>Previous</source>
        <translation>Anterior</translation>
    </message>
    <message>
        <source>Next</source>
        <translation>Siguiente</translation>
    </message>
    <message>
        <source>Enrolled %1</source>
        <translation>De alta desde %1</translation>
    </message>
    <message>
        <source>not seen lately</source>
        <translation>no visto últimamente</translation>
    </message>
    <message>
        <source>last seen %1</source>
        <translation>visto por última vez %1</translation>
    </message>
    <message>
        <source>Renew the protection</source>
        <translation>Renovar la protección</translation>
    </message>
    <message>
        <source>Revoke for good</source>
        <translation>Revocar para siempre</translation>
    </message>
    <message>
        <source>The date is changed. Receipt: %1</source>
        <translation>La fecha ha cambiado. Comprobante: %1</translation>
    </message>
    <message>
        <source>Dates</source>
        <translation>Fechas</translation>
    </message>
    <message>
        <source>Door code</source>
        <translation>Código de puerta</translation>
    </message>
    <message>
        <source>New door code</source>
        <translation>Nuevo código de puerta</translation>
    </message>
</context>
<context>
    <name>PinPage</name>
    <message>
        <source>Operator's PIN</source>
        <translation>PIN del encargado</translation>
    </message>
</context>
<context>
    <name>Preview</name>
    <message>
        <source>What the camera sees</source>
        <translation>Lo que ve la cámara</translation>
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
        <translation>Acérquese, por favor</translation>
    </message>
    <message>
        <source>Please look here</source>
        <translation>Mire aquí, por favor</translation>
    </message>
    <message>
        <source>One moment</source>
        <translation>Un momento</translation>
    </message>
    <message>
        <source>Welcome</source>
        <translation>¡Hola!</translation>
    </message>
    <message>
        <source>Not recognised</source>
        <translation>No reconocido</translation>
    </message>
    <message>
        <source>No entry now</source>
        <translation>Ahora sin acceso</translation>
    </message>
    <message>
        <source>Please try later</source>
        <translation>Inténtelo más tarde</translation>
    </message>
    <message>
        <source>Out of service</source>
        <translation>Fuera de servicio</translation>
    </message>
    <message>
        <source>Please have patience</source>
        <translation>Un poco de paciencia</translation>
    </message>
    <message>
        <source>Storage full</source>
        <translation>Almacenamiento lleno</translation>
    </message>
    <message>
        <source>Please stay where you are.</source>
        <translation>Quédese donde está, por favor.</translation>
    </message>
    <message>
        <source>Please type your door code, or ask at the desk.</source>
        <translation>Introduzca su código de puerta o pregunte en recepción.</translation>
    </message>
    <message>
        <source>Please ring, or ask at the desk.</source>
        <translation>Llame al timbre o pregunte en recepción.</translation>
    </message>
    <message>
        <source>You are known, but may not enter at this time. Please ask at the desk.</source>
        <translation>Le conocemos, pero a esta hora no puede entrar. Pregunte en recepción.</translation>
    </message>
    <message>
        <source>There were too many attempts. Please ask at the desk.</source>
        <translation>Hubo demasiados intentos. Pregunte en recepción.</translation>
    </message>
    <message>
        <source>The door is being prepared. It works, more slowly.</source>
        <translation>La puerta se está preparando. Funciona, más despacio.</translation>
    </message>
    <message>
        <source>The camera gives no picture. Please use the bell.</source>
        <translation>La cámara no da imagen. Llame al timbre.</translation>
    </message>
    <message>
        <source>The key of this door is missing or does not fit. Please use the bell. The operator is needed.</source>
        <translation>La clave de esta puerta falta o no corresponde. Use el timbre, por favor. Hace falta la persona encargada.</translation>
    </message>
    <message>
        <source>The list of people was altered or cannot be read. Nobody is let in. Please use the bell. The operator is needed.</source>
        <translation>La lista de personas fue alterada o no se puede leer. No se deja entrar a nadie. Use el timbre, por favor. Hace falta la persona encargada.</translation>
    </message>
    <message>
        <source>A network file is missing or altered. Please use the bell. The operator is needed.</source>
        <translation>Falta un archivo de red o fue alterado. Use el timbre, por favor. Hace falta la persona encargada.</translation>
    </message>
    <message>
        <source>A setting does not fit. Please use the bell. The operator is needed.</source>
        <translation>Un ajuste no es válido. Use el timbre, por favor. Hace falta la persona encargada.</translation>
    </message>
    <message>
        <source>The storage is full. The door works, but nobody can be enrolled.</source>
        <translation>El almacenamiento está lleno. La puerta funciona, pero no admite altas.</translation>
    </message>
    <message>
        <source>The storage is full. Please use the bell. The operator is needed.</source>
        <translation>El almacenamiento está lleno. Use el timbre, por favor. Hace falta la persona encargada.</translation>
    </message>
    <message>
        <source>The door is starting. Please use the bell.</source>
        <translation>La puerta está arrancando. Llame al timbre.</translation>
    </message>
    <message>
        <source>The door has stopped. Please use the bell. The operator is needed.</source>
        <translation>La puerta se ha detenido. Use el timbre, por favor. Hace falta la persona encargada.</translation>
    </message>
    <message>
        <source>Part %1 of %2.</source>
        <translation>Parte %1 de %2.</translation>
    </message>
    <message>
        <source>About %1 s left.</source>
        <translation>Quedan unos %1 s.</translation>
    </message>
    <message>
        <source>About %1 min left.</source>
        <translation>Quedan unos %1 min.</translation>
    </message>
    <message>
        <source>Show your face to the camera.</source>
        <translation>Muestre la cara a la cámara.</translation>
    </message>
    <message>
        <source>One person at a time, please.</source>
        <translation>De uno en uno, por favor.</translation>
    </message>
    <message>
        <source>Come a little nearer.</source>
        <translation>Acérquese un poco.</translation>
    </message>
    <message>
        <source>Step back a little.</source>
        <translation>Aléjese un poco.</translation>
    </message>
    <message>
        <source>Move to your left.</source>
        <translation>Muévase a su izquierda.</translation>
    </message>
    <message>
        <source>Move to your right.</source>
        <translation>Muévase a su derecha.</translation>
    </message>
    <message>
        <source>Move up a little.</source>
        <translation>Un poco más arriba.</translation>
    </message>
    <message>
        <source>Move down a little.</source>
        <translation>Un poco más abajo.</translation>
    </message>
    <message>
        <source>Look straight at the camera.</source>
        <translation>Mire de frente a la cámara.</translation>
    </message>
    <message>
        <source>Hold your head upright.</source>
        <translation>Mantenga la cabeza recta.</translation>
    </message>
    <message>
        <source>More light on your face, please.</source>
        <translation>Más luz en la cara, por favor.</translation>
    </message>
    <message>
        <source>Too much light on your face.</source>
        <translation>Demasiada luz en la cara.</translation>
    </message>
    <message>
        <source>Hold still.</source>
        <translation>No se mueva.</translation>
    </message>
    <message>
        <source>Good. Turn your head slowly.</source>
        <translation>Bien. Gire la cabeza despacio.</translation>
    </message>
    <message>
        <source>Look at the camera.</source>
        <translation>Mire a la cámara.</translation>
    </message>
    <message>
        <source>The door is not there. Please try again.</source>
        <translation>La puerta no responde. Inténtelo de nuevo.</translation>
    </message>
    <message>
        <source>The camera gives no picture.</source>
        <translation>La cámara no da imagen.</translation>
    </message>
    <message>
        <source>The door is being prepared. Please try later.</source>
        <translation>La puerta se está preparando. Inténtelo más tarde.</translation>
    </message>
    <message>
        <source>It could not be stored: the storage is full or cannot be written.</source>
        <translation>No se pudo guardar: el almacenamiento está lleno o no se puede escribir.</translation>
    </message>
    <message>
        <source>The key is missing.</source>
        <translation>Falta la clave.</translation>
    </message>
    <message>
        <source>The list of people was altered or cannot be read.</source>
        <translation>La lista de personas fue alterada o no se puede leer.</translation>
    </message>
    <message>
        <source>A network file is missing or altered.</source>
        <translation>Falta un archivo de red o fue alterado.</translation>
    </message>
    <message>
        <source>A setting does not fit.</source>
        <translation>Un ajuste no es válido.</translation>
    </message>
    <message>
        <source>One thing at a time. Please wait.</source>
        <translation>Una cosa tras otra. Espere, por favor.</translation>
    </message>
    <message>
        <source>Locked. The PIN is needed again.</source>
        <translation>Bloqueado. Hace falta el PIN otra vez.</translation>
    </message>
    <message>
        <source>No PIN is set yet. Set one on the device: edge pin set</source>
        <translation>Aún no hay PIN. Póngalo en el aparato: edge pin set</translation>
    </message>
    <message>
        <source>That is not the PIN.</source>
        <translation>Ese no es el PIN.</translation>
    </message>
    <message>
        <source>Too many attempts. Please wait.</source>
        <translation>Demasiados intentos. Espere.</translation>
    </message>
    <message>
        <source>The consent text has changed. Begin again.</source>
        <translation>El texto de consentimiento ha cambiado. Empiece de nuevo.</translation>
    </message>
    <message>
        <source>There were too few good pictures. More light and a calm head help.</source>
        <translation>Hubo pocas imágenes buenas. Más luz y la cabeza quieta ayudan.</translation>
    </message>
    <message>
        <source>The pictures were not of one person. One at a time, please.</source>
        <translation>Las imágenes no eran de una sola persona. De uno en uno.</translation>
    </message>
    <message>
        <source>Not recognised. Capture again, or try once more.</source>
        <translation>No reconocido. Capte de nuevo o pruebe otra vez.</translation>
    </message>
    <message>
        <source>A name is needed: 1 to 64 letters.</source>
        <translation>Hace falta un nombre: de 1 a 64 letras.</translation>
    </message>
    <message>
        <source>Somebody of this name is enrolled. Choose another.</source>
        <translation>Ya hay alguien con ese nombre. Elija otro.</translation>
    </message>
    <message>
        <source>This person is no longer enrolled.</source>
        <translation>Esta persona ya no está de alta.</translation>
    </message>
    <message>
        <source>That did not open the door. Check the code, or ask at the desk.</source>
        <translation>Eso no abrió la puerta. Revise el código o pregunte en recepción.</translation>
    </message>
    <message>
        <source>Please begin again.</source>
        <translation>Empiece de nuevo, por favor.</translation>
    </message>
    <message>
        <source>That did not work. Nothing was stored.</source>
        <translation>No ha funcionado. No se ha guardado nada.</translation>
    </message>
    <message>
        <source>May pass from %1</source>
        <translation>Puede entrar desde %1</translation>
    </message>
    <message>
        <source>May pass until %1</source>
        <translation>Puede entrar hasta %1</translation>
    </message>
    <message>
        <source>Expired: %1</source>
        <translation>Caducado: %1</translation>
    </message>
    <message>
        <source>no limit</source>
        <translation>sin límite</translation>
    </message>
    <message>
        <source>from %1</source>
        <translation>desde %1</translation>
    </message>
    <message>
        <source>until %1</source>
        <translation>hasta %1</translation>
    </message>
    <message>
        <source>The first day is no date. Write it as in %1.</source>
        <translation>El primer día no es una fecha. Escríbalo como %1.</translation>
    </message>
    <message>
        <source>The last day is no date. Write it as in %1.</source>
        <translation>El último día no es una fecha. Escríbalo como %1.</translation>
    </message>
    <message>
        <source>The last day lies before the first. Change one of them.</source>
        <translation>El último día es anterior al primero. Cambie uno de los dos.</translation>
    </message>
    <message>
        <source>The last day is over already. Choose a later one.</source>
        <translation>El último día ya ha pasado. Elija uno posterior.</translation>
    </message>
</context>
</TS>
