"""Everything that is said about a check, in Chinese and English: what it asks, why it is not well, and what to do.

Rows are looked up by ``<check>:<code>``, then by the code, then by its family. Names in braces are replaced by what was
seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontdesk.records import Checked, CheckResult


@dataclass(frozen=True, slots=True)
class Words:
    """The same, said twice."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Advice:
    """Why a check is not well, and what to do; ``fix`` is None where there is nothing to do."""

    why: Words
    fix: Words | None = None


def _advice(why_zh: str, why_en: str, fix_zh: str = "", fix_en: str = "") -> Advice:
    return Advice(Words(why_zh, why_en), Words(fix_zh, fix_en) if fix_zh else None)


RESULTS: Mapping[CheckResult, Words] = {
    "ok": Words("正常", "ok"),
    "warning": Words("警告", "warning"),
    "failed": Words("失败", "failed"),
    "not_run": Words("未检查", "not run"),
}
WHY, FIX = Words("原因", "Why"), Words("处理", "Fix")

TITLES: Mapping[str, Words] = {
    "stack": Words("部署的堆栈", "the deployed stack"),
    "function_settings": Words("各函数的设置", "the functions' settings"),
    "build": Words("各函数是同一版本", "one build on all functions"),
    "secrets": Words("密钥可读且格式正确", "the secrets can be read and are well formed"),
    "aes_key": Words("EncodingAESKey 的长度", "the length of EncodingAESKey"),
    "keyring": Words("数据密钥环", "the keyring"),
    "settings_here": Words("本机设置与已部署的一致", "the settings here are the deployed ones"),
    "clock_here": Words("本机时钟", "this machine's clock"),
    "clock_wecom": Words("AWS 与企业微信的时钟", "the clocks of AWS and WeCom"),
    "callback": Words("回调地址的真实校验", "the callback's URL check, by a real request"),
    "callback_forged": Words("回调拒绝伪造的签名", "the callback refuses a forged signature"),
    "doctor_function": Words("部署内的诊断函数", "the function that looks from inside"),
    "access_token": Words("应用的 access_token", "the application's access token"),
    "trusted_address": Words("出口地址与企业可信 IP", "the outgoing address and WeCom's trusted IPs"),
    "visible_range": Words("应用的可见范围", "whom the application is visible to"),
    "handoff_agents": Words("人工坐席在可见范围内", "the people who take over are within it"),
    "kf_token": Words("微信客服自己的 Secret", "the Secret of WeChat customer service"),
    "kf_accounts": Words("微信客服账号的授权", "the accounts of WeChat customer service"),
    "kf_servicers": Words("正在接待的人员", "who receives customers now"),
    "fastgpt": Words("FastGPT 地址、密钥与应用", "FastGPT's address, key and app"),
    "latency": Words("FastGPT 的响应时间", "FastGPT's latency"),
    "points": Words("FastGPT 的积分", "FastGPT's points"),
    "dead_letters": Words("死信队列", "dead letters"),
    "queue_age": Words("队列中最久的等待", "the longest wait in a queue"),
    "event_sources": Words("队列与流的触发器", "what queues and streams start"),
    "schedules": Words("定时任务", "the schedules"),
    "table_ttl": Words("数据表的 TTL", "the tables' time-to-live"),
    "table_stream": Words("数据表的流", "the table's stream"),
    "table_backups": Words("数据表的时间点恢复", "the tables' point-in-time recovery"),
    "alarms": Words("告警", "the alarms"),
    "alarm_mail": Words("告警的接收人", "who hears the alarms"),
    "log_retention": Words("日志保留期", "the logs' retention"),
    "concurrency": Words("Lambda 并发配额", "Lambda's concurrency quota"),
}

_REDEPLOY = ("用 `make deploy` 重新部署。", "Deploy again with `make deploy`.")
_RESET_KEY = (
    "在 .env 中改正后执行 `make deploy`。",
    "Put it right in .env, then `make deploy`.",
)

ADVICE: Mapping[str, Advice] = {
    "needs": _advice(
        "它要依据的检查“{needs}”没有通过，因此没有进行。",
        "The check that it stands on ({needs}) did not pass, so this one was not made.",
        "先处理前一项，再运行一次。",
        "Mend that one first, then run this again.",
    ),
    "timed_out": _advice(
        "在规定时间内没有结束，结果未知。",
        "It did not end within its time; the outcome is not known.",
        "稍后再运行一次；若仍如此，检查到该服务的网络。",
        "Run it again a little later; if it stays so, look at the network on the way to this service.",
    ),
    "unexpected": _advice(
        "检查本身出错，没有人预料到。",
        "The check itself broke in a way that nobody foresaw.",
        "确认部署的是本版本；若是，这是本程序的缺陷。",
        "See that this very release is deployed; if it is, this is a defect of this program.",
    ),
    "desk_not_found": _advice("堆栈里没有这个资源。", "The stack lacks this resource.", *_REDEPLOY),
    # ---- deployed ------------------------------------------------------------------------------------------------
    "stack_in_progress": _advice(
        "堆栈正在更新（{status}）。",
        "The stack is being updated ({status}).",
        "等更新结束后再运行一次。",
        "Wait until it has ended, then run this again.",
    ),
    "stack_rolled_back": _advice(
        "上一次部署失败，堆栈退回了之前的版本（{status}）。",
        "The last deployment failed, and the stack went back to the one before ({status}).",
        "在 CloudFormation 的事件中找到第一个失败的资源，改正后 `make deploy`。",
        "Find the first resource that failed among CloudFormation's events, mend it, then `make deploy`.",
    ),
    "stack_failed": _advice(
        "堆栈处于失败状态（{status}）。",
        "The stack is in a failed state ({status}).",
        "查看 CloudFormation 的事件；ROLLBACK_COMPLETE 的堆栈要先删除再部署。",
        "Read CloudFormation's events; a stack in ROLLBACK_COMPLETE has to be deleted before it is deployed again.",
    ),
    "function_missing": _advice(
        "堆栈里没有这些函数：{functions}。",
        "The stack lacks these functions: {functions}.",
        *_REDEPLOY,
    ),
    "settings_invalid": _advice(
        "缺少设置，或格式不对：{problems}。",
        "Settings are missing or malformed: {problems}.",
        *_RESET_KEY,
    ),
    "build_differs": _advice(
        "各函数的 BUILD_ID 不同（{builds}）：一次部署没有完成，或有函数被单独退回。",
        "The functions are of different builds ({builds}): a deployment was not finished, or one was taken back alone.",
        *_REDEPLOY,
    ),
    "aes_key_malformed": _advice(
        "EncodingAESKey 必须正好是 43 个字符，解码为 32 字节。",
        "EncodingAESKey must be exactly 43 characters, which decode to 32 bytes.",
        "从企业微信管理后台重新复制完整的一行，改正 .env 后 `make deploy`。",
        "Copy the whole line from WeCom's console once more, put it right in .env, then `make deploy`.",
    ),
    "keyring_unfit": _advice(
        "密钥环缺少用过的密钥，或格式不对：{problems}。函数因此不能启动，已封存的内容打不开。",
        "The keyring lacks a key that has been in use, or is malformed: {problems}. Functions do not start so, and "
        "what was sealed does not open.",
        "把 KeyringSecret 恢复为上一个版本（Secrets Manager 保留 AWSPREVIOUS）；不要重新生成。",
        "Bring back the earlier version of KeyringSecret (Secrets Manager keeps AWSPREVIOUS); never make a new one.",
    ),
    "local_run": _advice("本地运行的设置是自动生成的。", "A local run makes up settings of its own."),
    "no_settings_here": _advice(
        "本机没有 .env 或环境变量形式的设置。",
        "No settings are given on this machine, in .env or in the environment.",
    ),
    "settings_differ": _advice(
        "这些设置在本机与已部署的不同：{settings}。下一次从本机 `make deploy` 会改变它们。",
        "These settings differ here from what is deployed: {settings}. The next `make deploy` from here changes them.",
        "若是有意的改动，部署；否则改正 .env。",
        "Deploy if that is wanted; put .env right otherwise.",
    ),
    # ---- clocks --------------------------------------------------------------------------------------------------
    "clock_here:clock_off": _advice(
        "本机时钟与 AWS 相差 {ahead_s} 秒。AWS 会拒绝相差五分钟以上的签名。",
        "This machine's clock is {ahead_s} s ahead of AWS's (behind, if negative). AWS refuses signatures that are "
        "more than five minutes off.",
        "为本机打开时间同步（NTP）。",
        "Turn time synchronisation (NTP) on here.",
    ),
    "clock_wecom:clock_off": _advice(
        "企业微信的时钟与 AWS 相差 {ahead_s} 秒。回调拒绝相差五分钟以上的时间戳（timestamp_stale）。",
        "WeCom's clock is {ahead_s} s ahead of AWS's (behind, if negative). The callback refuses timestamps that are "
        "more than five minutes off (timestamp_stale).",
        "确认 WECOM_API_BASE 指向真正的企业微信或时钟正确的代理；AWS 与腾讯自己的时钟都是准的。",
        "See that WECOM_API_BASE leads to WeCom itself or to a proxy with a right clock; AWS's and Tencent's own are.",
    ),
    "wecom_not_from_here": _advice(
        "从本机访问不到企业微信，因此无法比较时钟；部署内的访问见下文。",
        "WeCom cannot be reached from this machine, so the clocks cannot be compared; its way from inside is below.",
    ),
    "wecom_tells_no_time": _advice(
        "企业微信的回答没有 Date 头，无法比较时钟。",
        "WeCom's answer has no Date header, so the clocks cannot be compared.",
    ),
    # ---- callback ------------------------------------------------------------------------------------------------
    "callback_unreachable": _advice(
        "回调地址连接不上。",
        "The callback's address does not answer at all.",
        "核对地址（堆栈的输出 CallbackUrl，或自有域名及其 DNS）；在浏览器中打开应得到 403。",
        "Compare the address (the stack's output CallbackUrl, or the own domain and its DNS); browsers get 403.",
    ),
    "callback_tls": _advice(
        "回调地址的证书不被信任。",
        "The certificate at the callback's address is not trusted.",
        "自有域名：在 ACM 中更换与域名相符、未过期的证书。",
        "With a domain of your own: have ACM serve a certificate of that very name that has not expired.",
    ),
    "callback_timeout": _advice(
        "回调在 10 秒内没有回答；企业微信只等 1 秒。",
        "The callback did not answer within 10 s; WeCom waits for one.",
        "查看 CallbackLogs；见 docs/operations.md#callback-slow。",
        "Read CallbackLogs; see docs/operations.md#callback-slow.",
    ),
    "callback_refused": _advice(
        "签名正确的请求被拒绝（403）：函数里的 Token、EncodingAESKey 或企业 ID 不是密钥里的这一份，或时钟相差太大。",
        "A rightly signed request was refused (403): the function has another Token, EncodingAESKey or corp id "
        "than the secret, or its clock is off.",
        "`make deploy` 让函数重新读取密钥；CallbackLogs 的 code 说明是哪一项。",
        "`make deploy` has the function read the secret anew; `code` in CallbackLogs tells which of them it is.",
    ),
    "callback_server_error": _advice(
        "回调以 {status} 回答：函数没有启动，或出错。",
        "The callback answered {status}: the function did not start, or failed.",
        "查看 CallbackLogs；见 docs/operations.md#callback-errors。",
        "Read CallbackLogs; see docs/operations.md#callback-errors.",
    ),
    "callback_status": _advice(
        "回调以 {status} 回答：这个地址背后不是本程序的回调（路径不对，或中间有跳转）。",
        "The callback answered {status}: this address leads elsewhere (a wrong path, or a redirect on the way).",
        "路径必须是 /wecom/callback；去掉中间的跳转、登录页或防火墙规则。",
        "The path has to be /wecom/callback; remove redirects, login pages or firewall rules on the way.",
    ),
    "callback_echo_wrong": _advice(
        "回答不是解密后的 echostr 原文，管理后台会保存失败。",
        "The answer is not the plain echostr, so the console cannot save the URL.",
        "去掉会改写正文的代理（引号、BOM、换行都不允许）。",
        "Remove a proxy that rewrites bodies: no quotes, no byte order mark, no newline may be added.",
    ),
    "callback_slow": _advice(
        "已经启动的回调仍用了 {again_ms} 毫秒；企业微信的校验只等 1000。",
        "The callback took {again_ms} ms although it had been started; WeCom's check waits for 1000.",
        "见 docs/operations.md#callback-slow；从离 AWS 区域近的网络再运行一次，排除本机线路。",
        "See docs/operations.md#callback-slow; run it again near the region, to rule out the line from here.",
    ),
    "callback_cold_slow": _advice(
        "第一次用了 {first_ms} 毫秒（冷启动或线路），再次 {again_ms} 毫秒。在管理后台保存地址时可能第一次失败。",
        "The first one took {first_ms} ms (a cold start, or the line), the next one {again_ms}. Saving the URL in the "
        "console may fail the first time.",
        "保存失败时马上再点一次保存；收消息不受影响（企业微信等 5 秒并会重试）。",
        "Press save again at once where it fails; messages are not affected (WeCom waits 5 s and tries again).",
    ),
    "callback_not_guarded": _advice(
        "伪造的签名得到 {status} 而不是 403：地址背后不是本程序，或有代理替它回答。",
        "A forged signature was answered {status} instead of 403: something else answers at this address.",
        "立即核对回调地址指向何处。",
        "Find out at once where the callback's address leads to.",
    ),
    # ---- inside --------------------------------------------------------------------------------------------------
    "function_failed": _advice(
        "诊断函数失败（{error}），因此企业微信与 FastGPT 没有检查。",
        "The function failed ({error}), so WeCom and FastGPT were not looked at.",
        "SettingsError：改正上面的设置或密钥；否则查看 DoctorLogs。",
        "SettingsError: mend the settings or secrets above; otherwise read DoctorLogs.",
    ),
    "access_token:wecom_40001": _advice(
        "企业微信不认这个 Secret（40001）。",
        "WeCom does not know this Secret (40001).",
        "在管理后台的应用页复制 Secret 到 WECOM_SECRET，`make deploy`；反复用错会封禁出口地址一小时。",
        "Copy the Secret from the application's page into WECOM_SECRET, then `make deploy`; many tries with a wrong "
        "one ban the address for an hour.",
    ),
    "kf_token:wecom_40001": _advice(
        "企业微信不认微信客服的 Secret（40001）。",
        "WeCom does not know the Secret of customer service (40001).",
        "从微信客服“企业内部接入”页复制 Secret 到 WECOM_KF_SECRET，`make deploy`。",
        "Copy it from the page of customer service into WECOM_KF_SECRET, then `make deploy`.",
    ),
    "wecom_40013": _advice(
        "企业 ID 不对（40013）。",
        "The corp id is wrong (40013).",
        "在“我的企业”页复制企业 ID 到 WECOM_CORP_ID，`make deploy`。",
        'Copy it from the page "My company" into WECOM_CORP_ID, then `make deploy`.',
    ),
    "wecom_40091": _advice(
        "Secret 属于另一个企业（40091）。",
        "The Secret belongs to another enterprise (40091).",
        "让 WECOM_CORP_ID 与 WECOM_SECRET 来自同一企业，`make deploy`。",
        "Take WECOM_CORP_ID and WECOM_SECRET from the same enterprise, then `make deploy`.",
    ),
    "wecom_60020": _advice(
        "企业微信看到的出口地址 {address} 不在应用的企业可信 IP 中（60020），因此一条消息也发不出去。",
        "The address that WeCom sees, {address}, is not among the application's trusted IPs (60020): no message can be "
        "sent.",
        "让部署从固定地址出去（NAT 网关的弹性 IP 或代理），并把所有这些地址填入应用的“企业可信IP”，约一分钟后生效。",
        "Have the deployment leave by fixed addresses (a NAT gateway's Elastic IP, or a proxy), and enter all of them "
        "as the application's trusted IPs; it takes about a minute. See docs/deploying.md.",
    ),
    "wecom_301002": _advice(
        "AgentId 与 Secret 属于不同的应用（301002）。",
        "The AgentId and the Secret belong to different applications (301002).",
        "从同一应用页复制 WECOM_AGENT_ID 与 WECOM_SECRET，`make deploy`。",
        "Copy WECOM_AGENT_ID and WECOM_SECRET from the same application's page, then `make deploy`.",
    ),
    "wecom_40056": _advice(
        "没有这个 AgentId（40056）。",
        "There is no such AgentId (40056).",
        "从应用页复制到 WECOM_AGENT_ID，`make deploy`。",
        "Copy it from the application's page into WECOM_AGENT_ID, then `make deploy`.",
    ),
    "wecom_50003": _advice(
        "应用已停用（50003）。",
        "The application is disabled (50003).",
        "在管理后台启用应用。",
        "Enable the application in the console.",
    ),
    "wecom_45009": _advice(
        "调用太频繁，或因多次用错 Secret 被封禁（45009）。",
        "There were too many calls, or the address is banned after wrong Secrets (45009).",
        "Secret 正确后等一小时再运行。",
        "See that the Secret is right, and run this again after an hour.",
    ),
    "agent_closed": _advice(
        "应用在管理后台被停用。",
        "The application is switched off in the console.",
        "在应用页启用它。",
        "Switch it on, on the application's page.",
    ),
    "agent_sees_nobody": _advice(
        "应用的可见范围是空的：没有人能用它，也收不到消息。",
        "The application is visible to nobody: nobody can use it, or be reached by it.",
        "在应用页设置可见范围，至少包括员工与人工坐席。",
        "Set whom it is visible to, on the application's page: colleagues, and the people who take over.",
    ),
    "no_handoff_agents": _advice(
        "没有设置 HANDOFF_AGENTS：自建应用的客户不会转给人工。",
        "HANDOFF_AGENTS is not set: customers of the self-built application are handed over to nobody.",
        "若需要转人工，填写坐席的 userid，`make deploy`。",
        "If they should be, name the user ids of the people there, then `make deploy`.",
    ),
    "handoff_agents_invisible": _advice(
        "这些坐席不存在，或不在应用的可见范围内，收不到卡片与提醒：{members}。",
        "These people do not exist or are outside of the visible range, so no card reaches them: {members}.",
        "把他们加入可见范围，或改正 HANDOFF_AGENTS。",
        "Add them to the visible range, or put HANDOFF_AGENTS right.",
    ),
    "kf_uses_application": _advice(
        "没有设置 WECOM_KF_SECRET：微信客服用应用的 Secret。",
        "WECOM_KF_SECRET is not set: customer service is called with the application's Secret.",
    ),
    "wecom_48002": _advice(
        "应用没有调用微信客服接口的权限（48002）。",
        "The application may not call customer service (48002).",
        "微信客服 → API → 可调用接口的应用中加入本应用；不用微信客服则可忽略。",
        "Add this application to those that may call the API, on the page of customer service; where it is not used, "
        "leave it.",
    ),
    "wecom_48007": _advice(
        "这个客服账号没有授权给应用（48007）。",
        "The account is not authorised to the application (48007).",
        "在微信客服页把账号授权给本应用。",
        "Authorise the account to this application on the page of customer service.",
    ),
    "wecom_95011": _advice(
        "Secret 不适用于这一版微信客服（95011）。",
        "The Secret does not fit this edition of customer service (95011).",
        "改用“可调用接口的应用”的 Secret：清空 WECOM_KF_SECRET，`make deploy`。",
        "Use the Secret of an application that may call the API: leave WECOM_KF_SECRET empty, then `make deploy`.",
    ),
    "wecom_95012": _advice(
        "Secret 不适用于这一版微信客服（95012）。",
        "The Secret does not fit this edition of customer service (95012).",
        "这一版要用微信客服自己的 Secret：填入 WECOM_KF_SECRET，`make deploy`。",
        "This edition wants its own Secret: put it into WECOM_KF_SECRET, then `make deploy`.",
    ),
    "wecom_95017": _advice(
        "微信客服的 API 开关是关的（95017）。",
        "The API of customer service is switched off (95017).",
        "在微信客服页打开 API。",
        "Switch it on, on the page of customer service.",
    ),
    "kf_no_account": _advice(
        "没有任何客服账号授权给应用：微信客服的消息收不到。",
        "No account of customer service is authorised to the application: none of its messages can be fetched.",
        "在微信客服页把账号授权给本应用；不用微信客服则可忽略。",
        "Authorise accounts to it on the page of customer service; where that is not used, leave it.",
    ),
    "kf_not_managed": _advice(
        "应用看得到这个账号，但没有管理权限，不能收发消息和分配会话。",
        "The application sees this account and may not manage it: it can neither fetch and send nor hand over.",
        "在微信客服页把账号的管理权限授予本应用。",
        "Give this application the management of the account, on the page of customer service.",
    ),
    "kf_nobody_receives": _advice(
        "{people} 位接待人员中现在没有人“正在接待”：要转人工的客户会得到工单号。",
        "None of {people} people receives customers now: who asks for a person is given the number of a ticket.",
        "请接待人员在企业微信中打开“接待中”。若只按部门配置，接口看不到状态。",
        'Have them switch to "receiving" in WeCom. Of departments the API tells no state.',
    ),
    "kf_no_servicer": _advice(
        "账号没有接待人员：没有人可以接手。",
        "The account has no servicers: nobody can take over.",
        "在微信客服页为账号添加接待人员。",
        "Add servicers to the account on the page of customer service.",
    ),
    # ---- FastGPT -------------------------------------------------------------------------------------------------
    "fastgpt_key_unknown": _advice(
        "FastGPT 不认这个 API 密钥（被删除，或属于另一台 FastGPT）。",
        "FastGPT does not know the API key: it was deleted, or is of another FastGPT.",
        "在 FastGPT 新建密钥，填入 {about} 的设置，`make deploy`。",
        "Make a new key in FastGPT, put it into the settings of {about}, then `make deploy`.",
    ),
    "fastgpt_app_unknown": _advice(
        "FastGPT 没有这个应用。",
        "FastGPT has no such app.",
        "从 FastGPT 应用页的地址中复制 24 位应用 ID，`make deploy`。",
        "Copy the 24 digits of the app's id from the address of its page, then `make deploy`.",
    ),
    "fastgpt_app_forbidden": _advice(
        "密钥的创建者无权使用这个应用。",
        "Whoever made the key may not use the app.",
        "在 FastGPT 中授予权限，或由应用的所有者新建密钥。",
        "Grant it in FastGPT, or have the app's owner make the key.",
    ),
    "fastgpt_credentials_refused": _advice(
        "FastGPT 拒绝了凭证：密钥格式不对，或被中间的代理去掉。",
        "FastGPT refused the credentials: the key is of a wrong form, or a proxy drops the header.",
        "核对密钥整行；让代理放行 Authorization 头。",
        "Compare the whole key; have proxies pass the header Authorization on.",
    ),
    "fastgpt_wrong_address": _advice(
        "这个地址上没有 FastGPT。",
        "Nothing answers for FastGPT at the address.",
        "地址以 /api 结尾，不带 /v1；从应用的 API 页复制。",
        "It ends in /api, without /v1; copy it from the app's API page.",
    ),
    "fastgpt_out_of_points": _advice(
        "团队的 AI 积分用完了：每个问题都会得到兜底答复。",
        "The team has no AI points left: every question gets the fallback sentence.",
        "在 FastGPT 充值或更换套餐。",
        "Top up in FastGPT, or change the plan.",
    ),
    "fastgpt_out_of_quota": _advice(
        "团队没有余额了。",
        "The team has no balance left.",
        "在 FastGPT 充值。",
        "Top up in FastGPT.",
    ),
    "fastgpt_unreachable": _advice(
        "从部署内连接不上 FastGPT。",
        "FastGPT cannot be reached from the deployment.",
        "自建的 FastGPT 必须能从 AWS 访问（公网，或与函数同一 VPC）；核对 DNS、防火墙与端口。",
        "A self-hosted one must be reachable from AWS (public, or in the functions' VPC); look at DNS, firewall, port.",
    ),
    "fastgpt_tls": _advice(
        "与 FastGPT 的 TLS 连接不可信（证书过期、自签名或名称不符）。",
        "The TLS connection to FastGPT is not trusted: an expired, self-signed or misnamed certificate.",
        "为 FastGPT 换上公认机构签发、名称相符的证书。",
        "Give FastGPT a certificate of a known authority for its very name.",
    ),
    "fastgpt_slow": _advice(
        "不运行模型的请求也用了 {median_ms} 毫秒（三次的中位数）：线路或服务器慢，每个答案都要多等。",
        "A request that runs no model took {median_ms} ms (median of three): the line or the server is slow, and every "
        "answer waits for it.",
        "把部署放到离 FastGPT 近的区域，或检查 FastGPT 与其数据库的负载。",
        "Deploy nearer to FastGPT, or look at the load of it and of its database.",
    ),
    "not_asked": _advice(
        "积分只有真正提问才看得出来，会消耗积分。",
        "Points show only where a question is put, and that costs some.",
        "加上 --ask 运行，每个应用提一个问题。",
        "Run it with --ask: each app is asked one question.",
    ),
    "points:fastgpt_empty_answer": _advice(
        "应用运行了，但没有给出文字答案。",
        "The app ran and answered nothing.",
        "在 FastGPT 中调试工作流，确认以文字回复结束并已发布。",
        "Debug the workflow in FastGPT; it has to end in a text, and to be published.",
    ),
    # ---- AWS -----------------------------------------------------------------------------------------------------
    "dead_letters_there": _advice(
        "{about} 里有 {messages} 条被放弃的消息。",
        "{messages} messages in {about} were given up.",
        "先消除原因，再按 docs/operations.md 重新投递。",
        "Remove the cause first, then redrive them as docs/operations.md tells.",
    ),
    "queue_waits": _advice(
        "{about} 中最久的消息等了 {oldest_s} 秒：客户在等。",
        "The oldest message in {about} has waited for {oldest_s} s: customers wait.",
        "见 docs/operations.md#inbox-waiting 与 #pulls-waiting：触发器、并发、FastGPT 的快慢。",
        "See docs/operations.md#inbox-waiting and #pulls-waiting: what starts it, concurrency, FastGPT's speed.",
    ),
    "event_source_off": _advice(
        "触发器 {about} 没有启用（{state}）：消息没有人取。",
        "The event source {about} is not enabled ({state}): nobody takes its messages.",
        "在 Lambda 控制台启用它。",
        "Enable it in Lambda's console.",
    ),
    "schedule_off": _advice(
        "定时任务 {about} 没有启用（{state}）。",
        "The schedule {about} is not enabled ({state}).",
        "在 EventBridge Scheduler 中启用它。",
        "Enable it in EventBridge Scheduler.",
    ),
    "ttl_off": _advice(
        "{about} 的 TTL 没有打开：到期的内容不会删除。",
        "Time-to-live is off for {about}: what has expired is not removed.",
        *_REDEPLOY,
    ),
    "stream_off": _advice(
        "{about} 的流没有打开：过期删除的会话不会归档。",
        "The stream of {about} is off: sessions that expire are not archived.",
        *_REDEPLOY,
    ),
    "backups_off": _advice(
        "{about} 没有打开时间点恢复：误删后无法找回。",
        "Point-in-time recovery is off for {about}: what is lost cannot be brought back.",
        *_REDEPLOY,
    ),
    "alarm_rings": _advice(
        "告警 {about} 正在响。",
        "The alarm {about} rings.",
        "按 {page} 处理。",
        "Do as {page} tells.",
    ),
    "alarm_muted": _advice(
        "告警 {about} 的通知被关闭。",
        "The actions of the alarm {about} are switched off.",
        "在 CloudWatch 中重新启用它的操作。",
        "Enable its actions again in CloudWatch.",
    ),
    "alarm_mail_unconfirmed": _advice(
        "告警邮件的订阅还没有确认：没有人收得到。",
        "The subscription to the alarms is not confirmed yet: nobody gets them.",
        "点击 AWS 发来的确认邮件；找不到时在 SNS 重新请求确认。",
        "Follow the link in AWS's mail; where it is lost, request the confirmation again in SNS.",
    ),
    "alarm_mail_nobody": _advice(
        "没有人订阅告警。",
        "Nobody is subscribed to the alarms.",
        "设置 ALARM_EMAIL 后 `make deploy`，或为主题 AlarmTopic 添加订阅。",
        "Set ALARM_EMAIL, then `make deploy`; or subscribe something else to the topic AlarmTopic.",
    ),
    "logs_for_ever": _advice(
        "日志组 {about} 不存在或没有保留期：日志会永远保留并计费。",
        "The log group {about} is missing or has no retention: its logs stay, and cost, for ever.",
        *_REDEPLOY,
    ),
    "concurrency_small": _advice(
        "账户只允许 {allowed} 个函数同时运行，部署需要 {needed} 个：忙时会被限流。",
        "The account lets {allowed} functions run at once, and the deployment counts on {needed}: it is throttled when "
        "busy.",
        "在 Service Quotas 中提高 Lambda 的 Concurrent executions，或调小 RESPONDER_CONCURRENCY。",
        "Raise Lambda's quota of concurrent executions in Service Quotas, or lower RESPONDER_CONCURRENCY.",
    ),
}

# By the first pattern that fits: what codes of a kind have in common.
_FAMILIES: tuple[tuple[str, Advice], ...] = (
    (
        r"wecom_-?\d+",
        _advice(
            "企业微信以错误码 {code} 拒绝。",
            "WeCom refused it with {code}.",
            "见 docs/configuration.md#wecom-codes，或企业微信的错误码查询工具。",
            "See docs/configuration.md#wecom-codes, or WeCom's own page of error codes.",
        ),
    ),
    (
        r"(wecom_.*|no_time_left)",
        _advice(
            "从部署内访问企业微信失败（{code}）。",
            "WeCom could not be reached properly from the deployment ({code}).",
            "核对 WECOM_API_BASE、代理与 VPC 的出口路由。",
            "Look at WECOM_API_BASE, at the proxy, and at the VPC's way out.",
        ),
    ),
    (
        r"proxy_.*",
        _advice(
            "企业微信前面的出口代理拒绝或不通（{code}）。",
            "The proxy on the way to WeCom refuses, or cannot be reached ({code}).",
            "核对 EGRESS_PROXY_URL 的地址、用户名与密码，以及代理允许的目标。",
            "Look at the address, user and password in EGRESS_PROXY_URL, and at what the proxy lets through.",
        ),
    ),
    (
        r"fastgpt_.*",
        _advice(
            "FastGPT 没有按预期回答（{code}）。",
            "FastGPT did not answer as it should ({code}).",
            "见 docs/configuration.md#fastgpt-codes。",
            "See docs/configuration.md#fastgpt-codes.",
        ),
    ),
    (
        r".*_refused",
        _advice(
            "AWS 拒绝了这次查询（{code}）：您的凭证没有权限，或资源不在。",
            "AWS refused to tell ({code}): your credentials lack a right, or the resource is gone.",
            "用有读取权限的凭证运行；所需权限见 docs/operator.md#doctor。",
            "Run it with credentials that may read it; docs/operator.md#doctor lists the rights.",
        ),
    ),
    (
        r".*_(failed|unreachable|conflict)",
        _advice(
            "AWS 没有回答（{code}）。",
            "AWS did not answer ({code}).",
            "稍后再试；检查本机网络、区域与凭证。",
            "Try again later; look at this machine's network, region and credentials.",
        ),
    ),
    (
        r".*",
        _advice(
            "没有成功（{code}）。",
            "It did not succeed ({code}).",
            "见 docs/configuration.md#error-codes。",
            "See docs/configuration.md#error-codes.",
        ),
    ),
)


def title_of(name: str) -> Words:
    """Return what a check is called."""
    return TITLES[name]


def advice_on(checked: Checked) -> Advice | None:
    """Return what is said about a check that is not well, filled in; None for one that is."""
    if not checked.code:
        return None
    found = ADVICE.get(f"{checked.name}:{checked.code}") or ADVICE.get(checked.code) or _family_of(checked.code)
    return Advice(_filled(found.why, checked), _filled(found.fix, checked) if found.fix else None)


def _family_of(code: str) -> Advice:
    return next(advice for pattern, advice in _FAMILIES if re.fullmatch(pattern, code))


def _filled(words: Words, checked: Checked) -> Words:
    values = {**checked.seen, "code": checked.code, "about": checked.about}
    needed = TITLES.get(str(checked.seen.get("needs")))

    def fill(text: str, own: Mapping[str, str]) -> str:
        # Not str.format: what was seen may hold braces, and a value that is not there must not hide the sentence.
        return re.sub(r"\{(\w+)\}", lambda match: str({**values, **own}.get(match[1], "?")), text)

    return Words(
        fill(words.zh, {"needs": needed.zh} if needed else {}), fill(words.en, {"needs": needed.en} if needed else {})
    )
