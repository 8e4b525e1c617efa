"""Bot checks and refusals of protection services."""

from __future__ import annotations

import re
from typing import Final

from contentmap_cli.crawl.pages.markers import Marks, any_of

CHALLENGE_CODE: Final = Marks(
    {
        "Akamai": ("_sec/cp_challenge", "sec-if-cpt", "sec-cpt-if", "?bm-verify=", "&bm-verify="),
        "Alibaba Cloud": ("acw_sc__v2", "acw_sc__v3", "aliyunwaf_", "aliyun_waf_", "/_____tmd_____/"),
        "Amazon": ("opfcaptcha", "/errors/validatecaptcha"),
        "Anubis": ("within.website/x/cmd/anubis", "id=anubis_"),
        "AWS WAF": ("awswafcookiedomainlist", "gokuprops", "awswafintegration.forcerefresh"),
        "bunny.net": ("/.bunny-shield/",),
        "CleanTalk": ("ct_anticrawler", "cleantalk_spamfirewall"),
        "Cloudflare": ("_cf_chl_", "cf-browser-verification", "cf-challenge-running"),
        "DataDome": ("captcha-delivery.com",),
        "DDoS-Guard": ("/.well-known/ddos-guard/js-challenge", "/.well-known/ddos-guard/mark"),
        "F5": ("bobcmn", "/_imp_apg/"),
        "Fastly": ("/_fs-ch-",),
        "go-away": ("gammaspectra.live/git/go-away",),
        "Google": ("/recaptcha/challengepage/", "www.google.com/sorry/"),
        "haproxy-protection": ("/.basedflare/",),
        "HUMAN": ("id=px-captcha", "captcha.px-cdn.net", "captcha.px-cloud.net"),
        "Imunify360": ("wsidchk",),
        "Jiasule": ("__jsl_clearance",),
        "Qrator": ("/__qrator/", "qauth_handle_validate"),
        "Queue-it": ("assets.queue-it.net",),
        "Radware": ("validate.perfdrive.com", "shieldsquare"),
        "Reblaze": ("window.rbzns", "rbzreqid"),
        "SafeLine": ("/.safeline/", "safeline-challenge", "safeline_challenge"),
        "ServicePipe": ("servicepipe.ru/static", "id_captcha_frame_div"),
        "SiteGround": ("/.well-known/sgcaptcha/", "/.well-known/captcha/", "sgchallenge="),
        "StackPath": ("/sbbi/?sbbpg=", "sbbgscc"),
        "Sucuri": ("sucuri_cloudproxy_js", "sucuri_cloudproxy_uuid"),
        "Tencent EdgeOne": ("eo_bot_ssid", "__tst_status"),
        "testcookie-nginx-module": ("slowaes.decrypt",),
        "Vercel": ("/.well-known/vercel/security/",),
        "Yandex": ("/showcaptcha?", "/checkcaptcha?"),
        "Yunsuo": ("yunsuo_session_verify", "security_session_verify"),
    },
    any_of(
        (
            r"akam/\d{1,4}/captcha",  # Akamai
            r"/cdn-cgi/challenge-platform/(?:h/\w{1,4}/)?orchestrate",  # Cloudflare
            r"id=challenge-(?:form|error)",
            r"/tspd/[0-9a-f]{6}",  # F5
            r"data-pow=[0-9a-f#]{16}",  # haproxy-protection
            r"iframe src=[^\n]{0,80}_incapsula_resource",  # Imperva
            r"_incapsula_resource\?(?:swhanedl|cwudnsai)",
            r"/ips\.js\?[^\n]{0,80}kp_uidz",  # Kasada
            r"document\.cookie ?= ?[\"']__test=",  # testcookie-nginx-module
        )
    ),
)
"""Only challenges have it."""

CHALLENGE_HINT: Final = Marks(
    {
        "Akamai": ("ak_bmsc", "bm_sz", "botmanager"),
        "AWS WAF": (".awswaf.com",),
        "Cloudflare": ("challenges.cloudflare.com",),
        "DataDome": ("js.datadome.co",),
        "DDoS-Guard": ("ddos-guard",),
        "HUMAN": ("_pxappid",),
        "Imperva": ("_incapsula_resource",),
        "Kasada": ("window.kpsdk",),
        "names of scripts": ("antibot", "anti-bot", "botcheck", "bot-check", "botdetect", "bot-detect"),
        "names of folders": ("/challenge/", "/captcha/", "proof-of-work", "proofofwork"),
    },
    any_of(
        (
            r"/cdn-cgi/challenge-platform/(?!(?:h/\w{1,4}/)?scripts/jsd)",
            r"(?<![\w-])(?:challenge|captcha|verify)(?:\.min)?\.js",
        )
    ),
)
"""Pages of a site may have it as well."""

CAPTCHA_WIDGET: Final = re.compile(
    r"(?:class|id)=[^\n]{0,80}\b(?:g-recaptcha|h-captcha|cf-turnstile|smart-captcha|frc-captcha"
    r"|geetest\w*|mtcaptcha|altcha|mcaptcha\w*|tcaptcha\w*)\b|^altcha-widget "
    r"|(?:src)=[^\n]{0,80}(?:hcaptcha\.com/captcha|recaptcha/api2?/anchor|api\.funcaptcha|arkoselabs\.com/)",
    re.MULTILINE,
)

CHALLENGE_TITLE: Final = any_of(
    (
        r"just a moment(?: please)?|attention required!?|client challenge|ddos-guard",
        r"(?:bot|ddos|browser|anti-?bot|spam|attack) (?:protection|management|detection|defen[cs]e)",
        r"vercel security checkpoint",
        r"(?:bot|browser|human|user|ddos|robot|security|web|site|connection|traffic|captcha|access|"
        r"visitor)(?: (?:bot|browser|human|user|security|integrity|connection))* (?:check|checks|"
        r"checkpoint|challenge|verification|validation)(?: required| in progress| page| screen)?",
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
        r"not acceptable!?|your access .{1,40}(?:limited|blocked|restricted|suspended).{0,40}",
        r"(?:.{1,30} )?(?:not |un)available (?:in|for) your (?:region|country|location).{0,20}",
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
        r"(?:check|verify|validat|analy[sz]|inspect)\w* (?:if |that |whether )?(?:your|the site|"
        r"the) ?(?:browser|connection|requests?|identity|traffic|security)",
        r"browser (?:is|will be|must be|has to be) (?:being )?(?:checked|verified|validated|tested)",
        r"request (?:is being|will be) (?:verified|checked)|security of your connection",
        r"(?:verify|confirm|prove|ensure|sure|check|verifying|checking|show) (?:that |whether |"
        r"if )?(?:you(?:'re| are)|your are) (?:an? |not an? |no )?(?:real |actual )?(?:human|person|"
        r"robot|bot|visitor)",
        r"(?:you(?:'re| are| were)|might be|may be|could be|look like|am|are) (?:an? |not an? |"
        r"no )?(?:automated|(?:ro)?bot)\b",
        r"you(?:'re| are) (?:a )?human\b|unusual (?:traffic|activity)|scraping of",
        r"automated (?:requests|queries|traffic)",
        r"(?:complete|solve|solves|solving|pass|fill in) (?:the|this|an?|following) (?:\w+ )?(?:captcha|"
        r"security check|challenge|puzzle|check)\b",
        r"captcha below",
        r"(?:characters|letters|digits|text) (?:you see|of the (?:picture|image)|shown|in the (?:picture|"
        r"image))",
        r"press (?:&|and) hold|slide (?:to|the) (?:\w+ )?(?:verify|unlock|right|slider)|drag the slider",
        r"(?:you|ip address|address) (?:have been|has been|are|is|were|was) (?:blocked|banned|rate limited)",
        r"(?:access|requests?|visit)\b.{0,50}\b(?:blocked|denied|limited|stopped|rejected|banned|refused)",
        r"don't have (?:permission|access|authori[sz]ation)|do not have permission|(?:is|are) not allowed",
        r"not (?:authori[sz]ed|permitted) to (?:access|view)",
        r"browser wird .{0,20}(?:ge|über)prüf|(?:ein mensch|kein(?:e)? (?:roboter|bot)) (?:sind|bist)",
        r"sicherheit ihrer verbindung|ungewöhnlich\w* (?:aktivität|datenverkehr|zugriff)",
        r"vérifi\w+ (?:que vous|votre (?:navigateur|connexion))|(?:pas un robot|êtes humain|êtes un humain)",
        r"navigateur est .{0,30}vérifi|sécurité de votre connexion",
        r"(?:verific|comprob|comprueb)\w* (?:que|si) .{0,12}(?:humano|robot)|no (?:eres|es|soy) un robot",
        r"(?:verific|comprob|comprueb)\w* (?:tu|su|el) (?:navegador|conexión)",
        r"seguridad de (?:su|tu|la) conexión",
        r"non (?:sei|sono) un robot|não (?:é|sou) um robô|geen robot|nie jesteś robotem",
        r"(?:вы|я|что) не (?:робот|бот)|вы человек|провер\w+ .{0,20}(?:браузер|подключени|соединени|запрос)",
        r"подозрительн\w+ (?:трафик|активност|запрос)|необычн\w+ (?:трафик|активност)",
        r"запросы .{0,20}автоматич",
        r"(?:检查|檢查|验证|驗證|确认|確認).{0,8}(?:浏览器|瀏覽器|真人|人类|人類|机器人|機器人|连接|連線)",
        r"不是(?:机器人|機器人)|完成.{0,10}(?:验证|驗證|拼图)|(?:异常访问|访问异常|异常流量|请求被拦截)",
        r"(?:人間|ロボット|ボット).{0,12}(?:確認|検証|ない)|ブラウザ(?:ー)?を.{0,10}(?:確認|チェック|検証)",
        r"接続.{0,8}安全.{0,8}確認|不正なアクセス",
        r"사람인지|로봇이 아닙니다|브라우저.{0,10}확인|robot olmadığınız",
    )
)
"""What challenges and refusals say, in sentences."""

CHALLENGE_TEXT_WEAK: Final = any_of(
    (
        r"(?:only )?takes? (?:only |just |you |up to )?(?:an? )?(?:moment|few|second|couple|instant|"
        r"\w+ seconds)",
        r"(?:a )?few seconds|redirected (?:shortly|automatically|once)|stand by|processing your request",
        r"before (?:you (?:can |may |get )?(?:enter|access|proceed|continue|to)|accessing|proceeding|"
        r"entering)",
        r"ddos|(?:protect\w*|shield\w*) .{0,40}(?:bots?|scrap\w+|spam\w*|attacks?|abuse|crawl\w+)\b",
        r"proof[- ]of[- ]work|puzzle|captcha|robots?\b|\bbots?\b|\bhumans?\b|firewall",
        r"(?:reference|incident|support|request|event|ray|block|trace) ?(?:id|#|number)\b",
        r"browser (?:check|integrity)",
        r"security (?:service|solution|rules|policy|check|reasons)|malicious|suspicious",
        r"(?:enable|turn on|activate|allow|require\w*|need\w*|without|takes)\b.{0,30}\bcookies",
        r"(?:wenige|einige|paar) sekunden|quelques (?:secondes|instants)|unos segundos|несколько секунд|数秒",
        r"几秒",
    )
)
"""What other pages may say as well."""

NEEDS_SCRIPT: Final = re.compile(
    r"java ?script|scripts?\b|cookies?\b|скрипт|куки|スクリプト|クッキー|脚本|自动跳转"
)

RELOADS: Final = re.compile(
    r"location\s*\.\s*(?:reload|replace|assign)\b|location(?:\.href)?\s*=(?!=)|document\.cookie\s*=(?!=)"
)
