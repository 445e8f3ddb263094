<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh" sourcelanguage="en">
<context>
    <name>CodeMaker</name>
    <message>
        <source>Hand it over now. It cannot be shown again.</source>
        <translation>请现在交给本人。此码不会再次显示。</translation>
    </message>
    <message>
        <source>A door code of eight digits is made and shown here. It takes the place of the one there was. Make sure that nobody else looks on.</source>
        <translation>将生成八位门禁码并在此显示，原有的码随即失效。请确认没有旁人观看。</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>完成</translation>
    </message>
    <message>
        <source>Make the code</source>
        <translation>生成门禁码</translation>
    </message>
</context>
<context>
    <name>CodePage</name>
    <message>
        <source>Door code</source>
        <translation>门禁码</translation>
    </message>
    <message>
        <source>Welcome. The door is open.</source>
        <translation>欢迎，门已打开。</translation>
    </message>
</context>
<context>
    <name>ConsentPage</name>
    <message>
        <source>Before we begin</source>
        <translation>开始之前</translation>
    </message>
    <message>
        <source>What</source>
        <translation>做什么</translation>
    </message>
    <message>
        <source>The camera looks at your face for up to 20 seconds. No picture is kept: from it a protected code is computed and stored on this device.</source>
        <translation>摄像头最多会看您的脸 20 秒。不保留任何照片：只计算出一个受保护的编码，存放在本设备上。</translation>
    </message>
    <message>
        <source>Why</source>
        <translation>为什么</translation>
    </message>
    <message>
        <source>So that this door knows you when you come. The code is used for nothing else and leaves the device only in a backup of it.</source>
        <translation>让这扇门在您到来时认出您。编码不作他用，除设备备份外不会离开本设备。</translation>
    </message>
    <message>
        <source>How long</source>
        <translation>保存多久</translation>
    </message>
    <message>
        <source>Until you or the operator have it deleted.</source>
        <translation>直到您或管理员将其删除。</translation>
    </message>
    <message>
        <source>How to delete it</source>
        <translation>如何删除</translation>
    </message>
    <message>
        <source>Ask the operator at any time. It is gone at once, and you get a receipt.</source>
        <translation>随时告诉管理员即可。立即删除，并给您回执。</translation>
    </message>
    <message>
        <source>If you would rather not</source>
        <translation>如果您不愿意</translation>
    </message>
    <message>
        <source>Nobody has to. There is another way in; the operator will show you.</source>
        <translation>完全自愿。另有进门方式，管理员会为您说明。</translation>
    </message>
    <message>
        <source>Text version %1</source>
        <translation>文本版本 %1</translation>
    </message>
    <message>
        <source>I do not agree</source>
        <translation>我不同意</translation>
    </message>
    <message>
        <source>I agree</source>
        <translation>我同意</translation>
    </message>
</context>
<context>
    <name>Dates</name>
    <message>
        <source>First day, as in %1</source>
        <translation>第一天，例如 %1</translation>
    </message>
    <message>
        <source>First day</source>
        <translation>第一天</translation>
    </message>
    <message>
        <source>Last day, included</source>
        <translation>最后一天（当天有效）</translation>
    </message>
    <message>
        <source>Last day</source>
        <translation>最后一天</translation>
    </message>
    <message>
        <source>no limit</source>
        <translation>不限</translation>
    </message>
</context>
<context>
    <name>Digits</name>
    <message>
        <source>Erase</source>
        <translation>删除</translation>
    </message>
</context>
<context>
    <name>DoorPage</name>
    <message>
        <source>Door code</source>
        <translation>门禁码</translation>
    </message>
    <message>
        <source>Operator</source>
        <translation>管理员</translation>
    </message>
</context>
<context>
    <name>Ends</name>
    <message>
        <source>Only today</source>
        <translation>仅限今天</translation>
    </message>
    <message>
        <source>30 days</source>
        <translation>30天</translation>
    </message>
    <message>
        <source>365 days</source>
        <translation>365天</translation>
    </message>
    <message>
        <source>Without end</source>
        <translation>无限期</translation>
    </message>
    <message>
        <source>Other dates</source>
        <translation>其他日期</translation>
    </message>
</context>
<context>
    <name>EnrolPage</name>
    <message>
        <source>Done</source>
        <translation>完成</translation>
    </message>
    <message>
        <source>Look at the camera</source>
        <translation>请看摄像头</translation>
    </message>
    <message>
        <source>Enrolment</source>
        <translation>登记</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Recognised. It can be saved.</source>
        <translation>识别成功，可以保存。</translation>
    </message>
    <message>
        <source>Trying it now. Look at the camera.</source>
        <translation>正在试识别，请看摄像头。</translation>
    </message>
    <message>
        <source>%1 of %2</source>
        <translation>%1 / %2</translation>
    </message>
    <message>
        <source>%1 s</source>
        <translation>%1 秒</translation>
    </message>
    <message>
        <source>This person looks like %1, who is enrolled.</source>
        <translation>此人与已登记的 %1 相像。</translation>
    </message>
    <message>
        <source>It is the same person: renew</source>
        <translation>是同一人：更新</translation>
    </message>
    <message>
        <source>Somebody else who looks alike</source>
        <translation>是另一人，只是相像</translation>
    </message>
    <message>
        <source>The references will be replaced by the new ones.</source>
        <translation>原有参照将由新的替换。</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>姓名</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>保存</translation>
    </message>
    <message>
        <source>Try it now</source>
        <translation>现在试试</translation>
    </message>
    <message>
        <source>Capture again</source>
        <translation>重新采集</translation>
    </message>
    <message>
        <source>%1 is enrolled.</source>
        <translation>%1 已登记。</translation>
    </message>
    <message>
        <source>Nothing was stored.</source>
        <translation>未保存任何内容。</translation>
    </message>
    <message>
        <source>Begin again</source>
        <translation>重新开始</translation>
    </message>
    <message>
        <source>Dates</source>
        <translation>日期</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>返回</translation>
    </message>
    <message>
        <source>Dates: %1</source>
        <translation>日期：%1</translation>
    </message>
</context>
<context>
    <name>Keyboard</name>
    <message>
        <source>More characters</source>
        <translation>更多字符</translation>
    </message>
    <message>
        <source>Shift</source>
        <translation>大写</translation>
    </message>
    <message>
        <source>Other letters</source>
        <translation>其他字母</translation>
    </message>
    <message>
        <source>Space</source>
        <translation>空格</translation>
    </message>
    <message>
        <source>Erase</source>
        <translation>删除</translation>
    </message>
</context>
<context>
    <name>Keypad</name>
    <message>
        <source>Digits entered: %1</source>
        <translation>已输入位数：%1</translation>
    </message>
</context>
<context>
    <name>MenuPage</name>
    <message>
        <source>Operator</source>
        <translation>管理员</translation>
    </message>
    <message>
        <source>Lock and leave</source>
        <translation>锁定并退出</translation>
    </message>
    <message>
        <source>Enrol somebody</source>
        <translation>登记新人</translation>
    </message>
    <message>
        <source>People</source>
        <translation>人员</translation>
    </message>
</context>
<context>
    <name>Panel</name>
    <message>
        <source>Back</source>
        <translation>返回</translation>
    </message>
</context>
<context>
    <name>PeoplePage</name>
    <message>
        <source>People</source>
        <translation>人员</translation>
    </message>
    <message>
        <source>%1 and %2 look so alike that the door may take one for the other. Enrol one of them again.</source>
        <translation>%1 与 %2 非常相像，门禁可能混淆。请为其中一人重新登记。</translation>
    </message>
    <message>
        <source>Revoked. Receipt: %1</source>
        <translation>已撤销。回执：%1</translation>
    </message>
    <message>
        <source>Renewed. Receipt: %1</source>
        <translation>已更新。回执：%1</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>搜索</translation>
    </message>
    <message>
        <source>Hide keys</source>
        <translation>隐藏键盘</translation>
    </message>
    <message>
        <source>Show keys</source>
        <translation>显示键盘</translation>
    </message>
    <message>
        <source>Nobody is found.</source>
        <translation>没有找到。</translation>
    </message>
    <message>
        <source>Previous</source>
        <translation>上一页</translation>
    </message>
    <message>
        <source>Next</source>
        <translation>下一页</translation>
    </message>
    <message>
        <source>Enrolled %1</source>
        <translation>登记于 %1</translation>
    </message>
    <message>
        <source>not seen lately</source>
        <translation>近期未见</translation>
    </message>
    <message>
        <source>last seen %1</source>
        <translation>最近一次 %1</translation>
    </message>
    <message>
        <source>Renew the protection</source>
        <translation>更新保护</translation>
    </message>
    <message>
        <source>Revoke for good</source>
        <translation>永久撤销</translation>
    </message>
    <message>
        <source>The date is changed. Receipt: %1</source>
        <translation>日期已更改。回执：%1</translation>
    </message>
    <message>
        <source>Dates</source>
        <translation>日期</translation>
    </message>
    <message>
        <source>Door code</source>
        <translation>门禁码</translation>
    </message>
    <message>
        <source>New door code</source>
        <translation>新门禁码</translation>
    </message>
</context>
<context>
    <name>PinPage</name>
    <message>
        <source>Operator's PIN</source>
        <translation>管理员密码</translation>
    </message>
</context>
<context>
    <name>Preview</name>
    <message>
        <source>What the camera sees</source>
        <translation>摄像头画面</translation>
    </message>
</context>
<context>
    <name>Words</name>
    <message>
        <source>%1 s</source>
        <translation>%1 秒</translation>
    </message>
    <message>
        <source>Please come nearer</source>
        <translation>请走近一些</translation>
    </message>
    <message>
        <source>Please look here</source>
        <translation>请看这里</translation>
    </message>
    <message>
        <source>One moment</source>
        <translation>请稍候</translation>
    </message>
    <message>
        <source>Welcome</source>
        <translation>欢迎</translation>
    </message>
    <message>
        <source>Not recognised</source>
        <translation>未能识别</translation>
    </message>
    <message>
        <source>No entry now</source>
        <translation>此时不能进入</translation>
    </message>
    <message>
        <source>Please try later</source>
        <translation>请稍后再试</translation>
    </message>
    <message>
        <source>Out of service</source>
        <translation>暂停服务</translation>
    </message>
    <message>
        <source>Please have patience</source>
        <translation>请耐心等候</translation>
    </message>
    <message>
        <source>Storage full</source>
        <translation>存储已满</translation>
    </message>
    <message>
        <source>Please stay where you are.</source>
        <translation>请站在原处。</translation>
    </message>
    <message>
        <source>Please type your door code, or ask at the desk.</source>
        <translation>请输入门禁码，或咨询前台。</translation>
    </message>
    <message>
        <source>Please ring, or ask at the desk.</source>
        <translation>请按门铃或咨询前台。</translation>
    </message>
    <message>
        <source>You are known, but may not enter at this time. Please ask at the desk.</source>
        <translation>已认出您，但此时段不能进入。请咨询前台。</translation>
    </message>
    <message>
        <source>There were too many attempts. Please ask at the desk.</source>
        <translation>尝试次数过多，请咨询前台。</translation>
    </message>
    <message>
        <source>The door is being prepared. It works, more slowly.</source>
        <translation>门禁正在准备，可以使用，但较慢。</translation>
    </message>
    <message>
        <source>The camera gives no picture. Please use the bell.</source>
        <translation>摄像头没有画面，请按门铃。</translation>
    </message>
    <message>
        <source>The key of this door is missing or does not fit. Please use the bell. The operator is needed.</source>
        <translation>本门禁的密钥缺失或不匹配。请按门铃。需要管理员处理。</translation>
    </message>
    <message>
        <source>The list of people was altered or cannot be read. Nobody is let in. Please use the bell. The operator is needed.</source>
        <translation>人员名单被改动或无法读取，暂不放行任何人。请按门铃。需要管理员处理。</translation>
    </message>
    <message>
        <source>A network file is missing or altered. Please use the bell. The operator is needed.</source>
        <translation>网络文件缺失或被改动。请按门铃。需要管理员处理。</translation>
    </message>
    <message>
        <source>A setting does not fit. Please use the bell. The operator is needed.</source>
        <translation>某项设置不正确。请按门铃。需要管理员处理。</translation>
    </message>
    <message>
        <source>The storage is full. The door works, but nobody can be enrolled.</source>
        <translation>存储已满。门禁可用，但不能登记。</translation>
    </message>
    <message>
        <source>The storage is full. Please use the bell. The operator is needed.</source>
        <translation>存储已满。请按门铃。需要管理员处理。</translation>
    </message>
    <message>
        <source>The door is starting. Please use the bell.</source>
        <translation>门禁正在启动，请按门铃。</translation>
    </message>
    <message>
        <source>The door has stopped. Please use the bell. The operator is needed.</source>
        <translation>门禁已停止工作。请按门铃。需要管理员处理。</translation>
    </message>
    <message>
        <source>Part %1 of %2.</source>
        <translation>第 %1 部分，共 %2 部分。</translation>
    </message>
    <message>
        <source>About %1 s left.</source>
        <translation>约剩 %1 秒。</translation>
    </message>
    <message>
        <source>About %1 min left.</source>
        <translation>约剩 %1 分钟。</translation>
    </message>
    <message>
        <source>Show your face to the camera.</source>
        <translation>请面对摄像头。</translation>
    </message>
    <message>
        <source>One person at a time, please.</source>
        <translation>请一次只站一人。</translation>
    </message>
    <message>
        <source>Come a little nearer.</source>
        <translation>请再近一点。</translation>
    </message>
    <message>
        <source>Step back a little.</source>
        <translation>请后退一点。</translation>
    </message>
    <message>
        <source>Move to your left.</source>
        <translation>请向您的左边移动。</translation>
    </message>
    <message>
        <source>Move to your right.</source>
        <translation>请向您的右边移动。</translation>
    </message>
    <message>
        <source>Move up a little.</source>
        <translation>请再高一点。</translation>
    </message>
    <message>
        <source>Move down a little.</source>
        <translation>请再低一点。</translation>
    </message>
    <message>
        <source>Look straight at the camera.</source>
        <translation>请正对摄像头。</translation>
    </message>
    <message>
        <source>Hold your head upright.</source>
        <translation>请把头摆正。</translation>
    </message>
    <message>
        <source>More light on your face, please.</source>
        <translation>请让脸部光线亮一些。</translation>
    </message>
    <message>
        <source>Too much light on your face.</source>
        <translation>脸部光线太强。</translation>
    </message>
    <message>
        <source>Hold still.</source>
        <translation>请保持不动。</translation>
    </message>
    <message>
        <source>Good. Turn your head slowly.</source>
        <translation>很好，请慢慢转头。</translation>
    </message>
    <message>
        <source>Look at the camera.</source>
        <translation>请看摄像头。</translation>
    </message>
    <message>
        <source>The door is not there. Please try again.</source>
        <translation>门禁没有响应，请重试。</translation>
    </message>
    <message>
        <source>The camera gives no picture.</source>
        <translation>摄像头没有画面。</translation>
    </message>
    <message>
        <source>The door is being prepared. Please try later.</source>
        <translation>门禁正在准备，请稍后再试。</translation>
    </message>
    <message>
        <source>It could not be stored: the storage is full or cannot be written.</source>
        <translation>无法保存：存储已满或无法写入。</translation>
    </message>
    <message>
        <source>The key is missing.</source>
        <translation>缺少密钥。</translation>
    </message>
    <message>
        <source>The list of people was altered or cannot be read.</source>
        <translation>人员名单被改动或无法读取。</translation>
    </message>
    <message>
        <source>A network file is missing or altered.</source>
        <translation>网络文件缺失或被改动。</translation>
    </message>
    <message>
        <source>A setting does not fit.</source>
        <translation>某项设置不正确。</translation>
    </message>
    <message>
        <source>One thing at a time. Please wait.</source>
        <translation>请稍等，一次一项。</translation>
    </message>
    <message>
        <source>Locked. The PIN is needed again.</source>
        <translation>已锁定，请再次输入密码。</translation>
    </message>
    <message>
        <source>No PIN is set yet. Set one on the device: edge pin set</source>
        <translation>尚未设置密码。请在设备上执行：edge pin set</translation>
    </message>
    <message>
        <source>That is not the PIN.</source>
        <translation>密码不正确。</translation>
    </message>
    <message>
        <source>Too many attempts. Please wait.</source>
        <translation>尝试次数过多，请等待。</translation>
    </message>
    <message>
        <source>The consent text has changed. Begin again.</source>
        <translation>同意书文本已更改，请重新开始。</translation>
    </message>
    <message>
        <source>There were too few good pictures. More light and a calm head help.</source>
        <translation>合格的画面太少。光线亮一些、头部稳一些会更好。</translation>
    </message>
    <message>
        <source>The pictures were not of one person. One at a time, please.</source>
        <translation>画面不是同一人，请一次一人。</translation>
    </message>
    <message>
        <source>Not recognised. Capture again, or try once more.</source>
        <translation>未能识别。请重新采集或再试一次。</translation>
    </message>
    <message>
        <source>A name is needed: 1 to 64 letters.</source>
        <translation>请输入姓名：1 至 64 个字符。</translation>
    </message>
    <message>
        <source>Somebody of this name is enrolled. Choose another.</source>
        <translation>此姓名已登记，请换一个。</translation>
    </message>
    <message>
        <source>This person is no longer enrolled.</source>
        <translation>此人已不在登记之列。</translation>
    </message>
    <message>
        <source>That did not open the door. Check the code, or ask at the desk.</source>
        <translation>门未打开。请检查门禁码，或咨询前台。</translation>
    </message>
    <message>
        <source>Please begin again.</source>
        <translation>请重新开始。</translation>
    </message>
    <message>
        <source>That did not work. Nothing was stored.</source>
        <translation>操作失败，未保存任何内容。</translation>
    </message>
    <message>
        <source>May pass from %1</source>
        <translation>自%1起可进入</translation>
    </message>
    <message>
        <source>May pass until %1</source>
        <translation>可进入至%1</translation>
    </message>
    <message>
        <source>Expired: %1</source>
        <translation>已过期：%1</translation>
    </message>
    <message>
        <source>no limit</source>
        <translation>不限</translation>
    </message>
    <message>
        <source>from %1</source>
        <translation>自%1起</translation>
    </message>
    <message>
        <source>until %1</source>
        <translation>至%1</translation>
    </message>
    <message>
        <source>The first day is no date. Write it as in %1.</source>
        <translation>第一天不是有效日期。请按此格式填写：%1。</translation>
    </message>
    <message>
        <source>The last day is no date. Write it as in %1.</source>
        <translation>最后一天不是有效日期。请按此格式填写：%1。</translation>
    </message>
    <message>
        <source>The last day lies before the first. Change one of them.</source>
        <translation>最后一天早于第一天，请修改其中一个。</translation>
    </message>
    <message>
        <source>The last day is over already. Choose a later one.</source>
        <translation>最后一天已过，请选择更晚的日期。</translation>
    </message>
</context>
</TS>
