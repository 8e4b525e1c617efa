"""Bot checks and refusals of protection services. Each entry of the markup names its product."""

from __future__ import annotations

import re
from typing import Final

from contentmap_cli.crawl.markers import any_of

CHALLENGE_CODE: Final = any_of(
    (
        r"_cf_chl_|__cf_chl|/cdn-cgi/challenge-platform/(?:h/\w+/)?orchestrate|cf-browser-verification",
        r"cf-error-details|cf-challenge-running|id=challenge-(?:form|running|error)",  # Cloudflare
        r"iframe src=[^\n]*_incapsula_resource|_incapsula_resource\?(?:swhanedl|cwudnsai)",  # Imperva
        r"captcha-delivery\.com",  # DataDome
        r"id=px-captcha|captcha\.px-c(?:dn|loud)\.net|/captcha/captcha\.js\?a=c&u=",  # HUMAN (PerimeterX)
        r"_sec/cp_challenge|sec-(?:if-cpt|cpt-if|text-container)|[?&]bm-verify=|akam/\d+/captcha",  # Akamai
        r"awswafcookiedomainlist|gokuprops|\bawswafintegration\.(?:forcerefresh|gettoken)",  # AWS WAF
        r"sucuri_cloudproxy_js|sucuri_cloudproxy_uuid",
        r"/\.well-known/ddos-guard/(?:js-challenge|mark)|check\.ddos-guard\.net/check\.js\?.*captcha",
        r"/sbbi/\?sbbpg=|sbbgscc|sbtsck",  # StackPath
        r"within\.website/x/cmd/anubis|id=anubis_",  # Anubis
        r"/\.well-known/(?:sg)?captcha/|\bsgchallenge\b",  # SiteGround
        r"/\.well-known/vercel/security/",
        r"gammaspectra\.live/git/go-away",  # go-away
        r"/\.basedflare/|data-pow=[0-9a-f#]{16}",  # haproxy-protection
        r"/_fs-ch-",  # Fastly
        r"/\.bunny-shield/|bunnycdn[^\n]*shield",  # bunny.net
        r"validate\.perfdrive\.com|shieldsquare",  # Radware
        r"/tspd/[0-9a-f]{6}|\bbobcmn\b|/_imp_apg/|/ips\.js\?[^\n]*kp_uidz|window\.kpsdk",  # F5, Kasada
        r"slowaes\.decrypt|document\.cookie ?= ?[\"']__test=",  # testcookie-nginx-module of free hosts
        r"/__qrator/|qauth_handle_validate",  # Qrator
        r"servicepipe\.ru/static|id_captcha_frame_div",  # ServicePipe
        r"/showcaptcha\?|/checkcaptcha\?",  # Yandex
        r"acw_sc__v[23]|aliyunwaf_|aliyun_waf_|/_____tmd_____/",  # Alibaba Cloud
        r"__jsl_clearance|yunsuo_session_verify|security_session_verify",  # Jiasule, Yunsuo
        r"/\.safeline/|safeline[-_]challenge|eo_bot_ssid|__tst_status",  # SafeLine, Tencent EdgeOne
        r"window\.rbzns|rbzreqid",  # Reblaze
        r"wsidchk|/z0f76a1d14fd21a8fb5fd0d03e0fdc3d3cedae52f",  # Imunify360
        r"ct_anticrawler|cleantalk_spamfirewall",  # CleanTalk
        r"assets\.queue-it\.net|static\.queue-it\.net/script/queueclient",  # Queue-it, its waiting room
        r"opfcaptcha|/errors/validatecaptcha",  # Amazon
        r"/recaptcha/challengepage/|www\.google\.com/sorry/",
    )
)
"""Only challenges have it."""

CHALLENGE_HINT: Final = any_of(
    (
        r"/cdn-cgi/challenge-platform/(?!(?:h/\w+/)?scripts/jsd)",
        r"challenges\.cloudflare\.com|_incapsula_resource|js\.datadome\.co|\.awswaf\.com|_pxappid",
        r"ddos-guard|ak_bmsc|bm_sz|botmanager|anti-?bot|bot-?check|bot-?detect|proof-?of-?work",
        r"(?<![\w-])(?:challenge|captcha|verify)(?:\.min)?\.js|/challenge/|/captcha/",
    )
)
"""Pages of a site may have it as well."""

CAPTCHA_WIDGET: Final = re.compile(
    r"(?:class|id)=[^\n]*\b(?:g-recaptcha|h-captcha|cf-turnstile|smart-captcha|frc-captcha"
    r"|geetest\w*|mtcaptcha|altcha|mcaptcha\w*|tcaptcha\w*)\b|^altcha-widget "
    r"|(?:src)=[^\n]*(?:hcaptcha\.com/captcha|recaptcha/api2?/anchor|api\.funcaptcha|arkoselabs\.com/)",
    re.MULTILINE,
)

CHALLENGE_TITLE: Final = any_of(
    (
        r"just a moment(?: please)?|attention required!?|client challenge|ddos-guard",
        r"vercel security checkpoint",
        r"(?:bot|browser|human|user|ddos|robot|security|web|site|connection|traffic|captcha)(?: (?:bot|"
        r"browser|human|user|security|integrity|connection))* (?:check|checks|checkpoint|challenge|"
        r"verification|validation)(?: required| in progress| page| screen)?",
        r"(?:we are )?(?:checking|verifying|validating)(?: (?:if |that )?(?:your|you|the|site) .{1,60}|\.*)",
        r"(?:please )?(?:verify|confirm|prove) (?:that )?you(?:'re| are) (?:a |not a )?(?:human|real|"
        r"robot|bot).{0,30}",
        r"making sure you(?:'re| are) not a (?:ro)?bot|pardon our interruption|radware .{0,40}",
        r"bitninja.{0,20}",
        r"(?:unusual|suspicious|automated) (?:traffic|activity|access)(?: .{0,30})?",
        r"human verification.{0,20}",
        r"establishing a secure connection|protected by .{2,30}|ddos protection(?: by .{1,30})?",
        r"anti-?bot.{0,30}",
        r"sicherheits(?:überprüfung|abfrage|check|prüfung|kontrolle)|browser-?(?:überprüfung|prüfung|check)",
        r"(?:ihr )?browser wird (?:über)?prüft|(?:ihr )?browser wird geprüft",
        r"sind sie ein (?:mensch|roboter)\??",
        r"vérification (?:de (?:sécurité|votre|la) ?.{0,30}|du navigateur.{0,20}|en cours)",
        r"contrôle de sécurité",
        r"(?:verificación|comprobación|control) de seguridad|verificando .{0,40}|verificação de segurança",
        r"verifica di sicurezza|beveiligingscontrole|weryfikacja (?:bezpieczeństwa|przeglądarki)",
        r"проверка (?:браузера|безопасности|соединения|подключения|на робота|пользователя)(?: .{0,30})?",
        r"(?:подтвердите, что )?вы не робот\??|я не робот|güvenlik (?:kontrolü|doğrulaması)",
        r"安全(?:验证|检查|驗證|檢查|检测|校验)(?:中)?|人机(?:验证|识别)|人機驗證",
        r"(?:滑动|访问|浏览器|身份)(?:验证|检查|安全检查)",
        r"正在(?:验证|检查|進行安全).{0,20}|验证码|請稍候|请稍候",
        r"セキュリティ(?:チェック|確認|検証)(?:中)?",
        r"(?:ブラウザ(?:ー)?|アクセス)(?:を)?(?:確認|チェック|検証)(?:中|しています)?",
        r"보안 ?(?:확인|검사)",
    )
)
"""Titles that nothing else has."""

CHALLENGE_TITLE_WEAK: Final = any_of(
    (
        r"(?:only )?(?:one|a) moment(?: please)?|one more (?:moment|step)|hold on(?: .{0,20})?|almost there",
        r"please wait(?: .{0,30})?|are you (?:a )?(?:human|robot|bot)\??",
        r"(?:robot|captcha|verification|challenge)",
        r"(?:verify|verifying|checking|validating|security|browser)(?: required)?|i'm not a robot",
        r"welcome back",
        r"(?:nur )?einen moment(?:,? bitte)?|bitte warten|einen augenblick(?:,? bitte)?|überprüfung",
        r"(?:juste )?un (?:instant|moment)(?:,? s'il vous plaît)?|veuillez patienter|vérification",
        r"(?:solo )?un momento(?:,? por favor)?|espere.{0,20}|verificación|um momento|só um momento",
        r"verificação",
        r"un attimo(?: .{0,20})?|attendere.{0,20}|een (?:moment|ogenblik)(?: geduld)?|even geduld.{0,20}",
        r"chwileczkę|(?:jeszcze )?chwil[aę]|(?:один|одну) (?:момент|минуту|минутку)|подождите.{0,30}",
        r"проверка",
        r"пожалуйста,? подождите|минуточку|bir dakika|lütfen bekleyin|잠시만 기다리(?:세요|십시오)",
        r"(?:请|請)?稍(?:等|候)(?:片刻)?|验证|驗證|(?:しばらく|少々)?お待ち(?:ください|下さい)|認証中|確認中",
    )
)
"""Titles of challenges, and of pages of a site."""

DENIED_TITLE: Final = any_of(
    (
        r"(?:error:? )?(?:40[137]|429|451)(?:[ :-]+.{0,60})?|(?:http )?error 40[13].{0,40}",
        r"(?:40[13] )?forbidden",
        r"access (?:to .{1,50} )?(?:(?:has been|is|was) )?(?:temporarily )?(?:denied|blocked|restricted|"
        r"forbidden)",
        r"(?:your |this )?(?:request|connection|visit|ip|ip address)(?: (?:has been|is|was))? (?:blocked|"
        r"rejected|denied|banned)",
        r"(?:sorry,? )?you (?:have been|are|were) (?:blocked|banned|denied)|blocked|unauthorized",
        r"not authorized",
        r"(?:error )?access denied.{0,40}|request (?:blocked|rejected|denied).{0,20}|too many requests",
        r"not acceptable!?",
        r"(?:web ?site|web application) firewall.{0,40}|sucuri website firewall.{0,40}",
        r"the request could not be satisfied",
        r"(?:zugriff|zugang) (?:verweigert|gesperrt|verboten|blockiert|nicht erlaubt)",
        r"accès (?:refusé|interdit|bloqué|restreint)|acceso (?:denegado|bloqueado|restringido|prohibido)",
        r"accesso (?:negato|bloccato|vietato)|acesso (?:negado|bloqueado)|toegang (?:geweigerd|geblokkeerd)",
        r"dostęp (?:zabroniony|zablokowany)|odmowa dostępu|přístup (?:odepřen|zakázán)|erişim engellendi",
        r"доступ (?:запрещ[её]н|ограничен|заблокирован|закрыт).{0,30}",
        r"(?:访问|訪問|存取)(?:被)?(?:拒绝|拒絕|禁止|阻断|拦截)|禁止访问",
        r"アクセス(?:が)?(?:拒否|禁止|制限)(?:されました|されています)?",
        r"접근(?:이)? ?(?:거부|차단).{0,8}",
    )
)
"""Titles of a refusal."""

CHALLENGE_TEXT: Final = any_of(
    (
        r"(?:checking|verifying|validating|analy[sz]ing|inspecting) (?:if |that )?(?:your|the site|"
        r"you) ?(?:browser|connection|request|requests|identity|are|traffic|security)",
        r"browser (?:is|will be|must be|has to be) (?:being )?(?:checked|verified|validated|tested)",
        r"browser (?:check|integrity)",
        r"request is being (?:verified|checked|processed)",
        r"before (?:you (?:can )?(?:enter|access|proceed|continue)|accessing|proceeding|entering|letting)",
        r"(?:verify|confirm|prove|ensure|sure|check|verifying) (?:that )?(?:you(?:'re| are)|"
        r"your are) (?:a |an |not a )?(?:real |actual )?(?:human|person|robot|bot|visitor)",
        r"you(?:'re| are) (?:a human|human|a robot|a bot|not a robot|not a bot)\b|not (?:a )?(?:ro)?bots?\b",
        r"security of your connection|unusual (?:traffic|activity)",
        r"(?:suspicious|malicious|abnormal) (?:activity|traffic|requests)",
        r"automated (?:requests|queries|traffic|access|tools|bots)",
        r"(?:complete|solve|pass|fill in) (?:the|this|a) (?:captcha|security check|challenge|puzzle|check)",
        r"captcha below",
        r"you (?:were|might be|may be|could be) (?:an? )?(?:automated|(?:ro)?bot)\b",
        r"characters you see|press (?:&|and) hold|slide to (?:verify|unlock)",
        r"(?:only )?takes? (?:only |just |you )?(?:a |an )?(?:moment|few|second|couple|instant)",
        r"(?:a )?few seconds|redirected (?:shortly|automatically|once)",
        r"ddos|(?:protect\w*|security|shield\w*) .{0,40}(?:bots?|scrap\w+|spam\w*|attacks?|abuse|crawl\w+)\b",
        r"proof[- ]of[- ]work",
        r"you (?:have been|are|were) (?:blocked|banned|rate limited)",
        r"(?:access|request|requests|ip|address|visit)\b.{0,50}\b(?:blocked|denied|limited|stopped|"
        r"rejected|banned|refused)",
        r"don't have (?:permission|access|authori[sz]ation)|do not have permission",
        r"not (?:allowed|authori[sz]ed|permitted) to (?:access|view)",
        r"(?:reference|incident|support|request|event|ray|block|trace) ?(?:id|#|number)\b",
        r"security (?:service|solution|rules|policy|check|reasons)",
        r"(?:enable|turn on|activate|allow|require\w*|need\w*|without)\b.{0,30}\bcookies",
        r"browser wird (?:über)?prüf|browser wird geprüft|(?:mensch|kein(?:e)? (?:roboter|bot))",
        r"sicherheit ihrer verbindung|ungewöhnlich\w* (?:aktivität|datenverkehr|zugriff)",
        r"vérifi\w+ (?:que vous|votre (?:navigateur|connexion))|(?:pas un robot|êtes humain|un humain)",
        r"sécurité de votre connexion",
        r"(?:verific|comprob|comprueb)\w* (?:que|si|tu|su|la seguridad)|no (?:eres|es|soy) un robot",
        r"(?:eres|es) humano|seguridad de (?:su|tu|la) conexión",
        r"non (?:sei|sono) un robot|não (?:é|sou) um robô|geen robot|nie jesteś robotem",
        r"(?:вы|я|что) не (?:робот|бот)|вы человек|провер\w+ .{0,20}(?:браузер|подключени|соединени|запрос)",
        r"подозрительн|необычн\w+ (?:трафик|активност)",
        r"(?:检查|檢查|验证|驗證|确认|確認).{0,8}(?:浏览器|瀏覽器|真人|人类|人類|机器人|機器人|连接|連線|安全)",
        r"不是(?:机器人|機器人)",
        r"完成.{0,10}(?:验证|驗證|拼图)|(?:拦截|威胁|攔截|威脅|异常访问|访问异常|异常流量)",
        r"(?:人間|ロボット|ボット).{0,12}(?:確認|検証|ない|か)",
        r"ブラウザ(?:ー)?.{0,10}(?:確認|チェック|検証)|接続.{0,8}(?:安全|確認)|不正なアクセス",
        r"사람인지|로봇이 아닙니다|브라우저.{0,10}확인|robot olmadığınız",
    )
)
"""Sentences of challenges and refusals."""

NEEDS_SCRIPT: Final = re.compile(
    r"java ?script|scripts?\b|cookies?\b|скрипт|куки|スクリプト|クッキー|脚本|自动跳转"
)

RELOADS: Final = re.compile(
    r"location\s*\.\s*(?:reload|replace|assign)\b|location(?:\.href)?\s*=(?!=)|document\.cookie\s*=(?!=)"
)
