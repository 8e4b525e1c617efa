"""Logins, consent and age gates, parked and suspended names, maintenance, default pages of servers."""

from __future__ import annotations

import re
from typing import Final

from contentmap_cli.crawl.markers import any_of

LOGIN_CODE: Final = re.compile(r"^input name=(?:samlrequest|samlresponse|wresult|relaystate)$", re.MULTILINE)
"""A form that a script sends to a single sign-on."""

LOGIN_TITLE: Final = any_of(
    (
        r"(?:please )?(?:sign|log|logg)[ -]?(?:in|on)(?: (?:to|with|at|into|for|using|here|first|"
        r"required|page|form|below)\b.{0,60})?",
        r"login(?: (?:to|page|form|required|portal|area|screen)\b.{0,40})?|logon",
        r"(?:user|member|members|customer|client|admin|staff|employee|partner|dealer|account|secure|web|"
        r"student|central)(?:'?s)? (?:login|log[ -]?in|sign[ -]?in|logon)",
        r"(?:authentication|authorization|password|credentials|login)(?: (?:is )?(?:required|needed|"
        r"protected))?",
        r"enter (?:the |your |store using )?password.{0,30}|single sign[ -]?on.{0,40}|sso|web single sign-on",
        r"(?:this )?(?:site|page|content|area|store)(?: is)? (?:password[ -]protected|protected|private)",
        r"password[ -]protected.{0,30}|private (?:site|area)|restricted (?:area|access|site)|members only",
        r"please (?:authenticate|identify).{0,30}",
        r"anmelde\w*|(?:bitte )?anmelden(?: .{0,30})?|anmeldung(?: .{0,30})?|(?:bitte )?einloggen",
        r"passwort(?: .{0,30})?|geschützter bereich",
        r"(?:page de )?connexion(?: .{0,30})?|se connecter|connectez-vous.{0,30}|identification",
        r"authentification(?: .{0,20})?|mot de passe.{0,20}",
        r"iniciar sesión(?: .{0,30})?|inicio de sesión|acceder|acceso(?: .{0,30})?|identif\w+|ingresar",
        r"autenticación|contraseña.{0,20}",
        r"accedi(?: .{0,20})?|autenticazione|area riservata|iniciar sessão|fazer login|acessar|autenticação",
        r"entrar",
        r"inloggen(?: .{0,20})?|aanmelden(?: .{0,20})?|logga in(?: .{0,20})?|logg? (?:ind|inn|på)",
        r"kirjaudu(?: sisään)?|kirjautuminen",
        r"zaloguj(?: się)?(?: .{0,20})?|logowanie(?: .{0,30})?|panel logowania|přihlášení.{0,20}",
        r"přihlásit(?: se)?|prihlásenie|bejelentkezés|autentificare|conectare",
        r"вход(?: .{0,40})?|войти(?: .{0,30})?|авторизация|аутентификация|увійти|вхід(?: .{0,20})?",
        r"авторизація|σύνδεση|giriş(?: yap)?|oturum aç(?:ma)?|تسجيل الدخول",
        r"(?:用户|会员|请|系统|账号|用戶|會員|請)?(?:登录|登錄|登入|登陆)(?:页面|系统)?",
        r"统一身份认证.{0,20}|ログイン(?:画面|ページ)?|サインイン|認証|로그인",
    )
)

CONSENT_CODE: Final = re.compile(
    r"^form action=[^\n]*(?:://consent\.|://guce\.|/v2/collectconsent|/privacy-?gate|/cookie-?wall"
    r"|/consent/(?:save|accept|set))",
    re.MULTILINE,
)
CONSENT_TITLE: Final = any_of(
    (
        r"before you (?:continue|proceed|go on|enter|visit)(?: .{0,60})?|bevor (?:sie|du) .{0,60}",
        r"avant (?:de|d'|que) .{0,60}",
        r"antes de (?:continuar|ir|acceder|entrar|prosseguir)(?: .{0,60})?",
        r"prima di (?:continuare|procedere|accedere)(?: .{0,60})?|voordat (?:je|u) .{0,60}",
        r"(?:(?:cookies?|privacy|data|your|user|gdpr) )*consent(?: (?:required|needed|page|form|manager|"
        r"choices|wall))?",
        r".{0,40}\bprivacy[ -]?(?:gate|wall|choices|preferences|settings)",
        r"(?:cookies?|privacy) ?(?:wall|settings|choices|preferences|notice required)",
        r"(?:we (?:need|ask for|value) )?your (?:consent|privacy|privacy choices|choices|"
        r"agreement)(?: .{0,40})?",
        r"we value your privacy",
        r"(?:ihre |deine )?(?:zustimmung|einwilligung)(?: .{0,30})?|datenschutz-?(?:einstellungen|hinweis)",
        r"(?:ihre|deine) privatsphäre.{0,30}",
        r"votre (?:consentement|vie privée|choix).{0,40}|(?:tu|su) (?:consentimiento|privacidad).{0,30}",
        r"uw (?:privacy|toestemming).{0,30}|toestemming.{0,20}",
        r".{0,30}\bage (?:verification|gate|check|confirmation)",
        r"(?:are you|you must be|verify you are) .{0,30}\b(?:18|19|20|21|legal drinking age)\b.{0,30}",
        r"alters(?:prüfung|verifikation|nachweis|abfrage|freigabe).{0,20}|vérification de l'âge",
        r"verificación de edad|verifica dell'età",
        r".{0,12}\b(?:is part of|gehört zu|ist teil|fait partie|forma parte|"
        r"fa parte)\b.{0,60}\b(?:family|brands|familie|famille|familia|famiglia)\b.{0,40}",
    )
)
CONSENT_TEXT: Final = re.compile(
    r"cookie|consent|privacy|personal data|datenschutz|zustimm|einwillig|vie privée|privacidad|toestemming"
    r"|\bage\b|years (?:old|of age)|\balter\b|jahre|\bâge\b|\bedad\b|\b(?:18|21)\b"
)

PARKED_CODE: Final = any_of(
    (
        r"sedoparking\.com|sedoparkingurl|parkingcrew\.net|bodiscdn\.com|[./]bodis\.com|parklogic\.com",
        r"parked-content\.|above\.com/marketplace",
        r"d38psrni17bvxu\.cloudfront|d1lxhc4jvstzrp\.cloudfront|teaminternet|parking-lander",
        r"parkingpage\.namecheap|parking\.(?:reg|nic)\.ru",
        r"afternic\.com/(?:forsale|domain)|[./]dan\.com/(?:buy-domain|lander)",
        r"hugedomains\.com/(?:domain_profile|payment)|sedo\.com/(?:search/details|checkdomainoffer)",
        r"undeveloped\.com/buy|dynadot\.com/(?:forsale|market)|epik\.com/domain|domainmarket\.com/buynow",
        r"namebright\.com|[./]sav\.com/domains|uniregistry|saw\.com/buy",
        r"window\.park ?=|location(?:\.href)? ?= ?[\x22']/lander|lander_system|\bap: ?[\x22']parking",
        r"googleparking|adsense/domains/caf",
        r"domainparking|parking_?domain",
    )
)
"""What domain brokers and registrars put on names that have no site."""

PARKED_TITLE: Final = any_of(
    (
        r".{0,70}\b(?:is|are|may be|might be|could be) (?:now )?(?:for sale|available for (?:purchase|"
        r"sale))\b.{0,60}",
        r"(?:buy|purchase|own|get) (?:this |the )?domain(?: name)?(?: .{0,60})?",
        r"(?:this )?(?:premium )?domain(?: name)? (?:for sale|name for sale|available).{0,40}",
        r"(?:this )?(?:domain|website|web ?page|site|page|name)(?: name)?(?: .{1,60})? (?:is )?(?:parked|"
        r"not configured|has expired|expired|is not active).{0,60}",
        r"parked (?:domain|page|free).{0,60}|domain parking.{0,40}",
        r"domain (?:parked|registered|expired|reserved).{0,40}",
        r"(?:this )?(?:account|website|web ?site|site|domain|hosting|service|"
        r"page)(?: account)?(?: .{1,60})?(?: (?:has been|is|was))?(?: temporarily)? (?:suspended|"
        r"deactivated|disabled).{0,40}",
        r"bandwidth limit exceeded|(?:account|site|domain) suspen(?:ded|sion).{0,20}",
        r".{0,70}\b(?:steht zum verkauf|zu verkaufen|à vendre|en venta|se vende|à venda|in vendita|"
        r"te koop|na sprzedaż|na prodej|till salu|til salg|eladó)\b.{0,40}",
        r".{0,60}(?:прода[её]тся|припаркован|выставлен на продажу|satılık).{0,40}",
        r".{0,60}(?:出售|转让|轉讓|売り出し中|販売中|판매).{0,40}",
    )
)
PARKED_TEXT: Final = any_of(
    (
        r"(?:domain|domain name|web address|name)\b.{0,40} (?:is|may be|might be) (?:now )?(?:for sale|"
        r"available for (?:sale|purchase)|parked)",
        r"buy this domain|inquire about this domain|make an offer on this domain",
        r"interested in (?:buying )?this domain",
        r"parked (?:free|for free|by|with|at|domain)|courtesy of godaddy",
        r"(?:domain|page) (?:is|was|has been) (?:parked|recently registered|registered (?:at|with|by|"
        r"through|via))",
        r"domain (?:name )?(?:has|is) expired|related (?:searches|links).{0,200}(?:domain|parking)",
        r"account (?:has been|is) suspended",
        r"(?:site|website|domain|hosting) (?:has been|is) (?:temporarily )?(?:suspended|disabled|"
        r"deactivated)",
        r"contact your hosting provider|bandwidth limit",
        r"(?:diese|die) (?:domain|webadresse) .{0,60}(?:verkauf|registriert|geparkt|reserviert)",
        r"(?:ce|le) (?:nom de )?domaine .{0,60}(?:vendre|vente|réservé|enregistré|déposé|parking)",
        r"(?:este|el|o) (?:dominio|domínio) .{0,60}(?:venta|venda|registrado|vende|aparcado)",
        r"(?:questo|il) dominio .{0,60}(?:vendita|registrato|parcheggiato)",
        r"dit? domein.{0,60}(?:te koop|gereserveerd|geregistreerd|geparkeerd)",
        r"(?:ta |ten )?domena .{0,60}(?:sprzedaż|zaparkowana|zarejestrowana|utrzymywana)",
        r"домен.{0,60}(?:прода|припаркован|зарегистрирован|делегирован)|域名.{0,20}(?:出售|转让|已过期|停放)",
        r"このドメイン.{0,40}(?:販売|取得|登録|売)",
    )
)

MAINTENANCE_CODE: Final = re.compile(
    r"^body (?:class|id)=[^\n]*\b(?:maintenance|is-act-maintenancepage|under-construction|coming-soon"
    r"|seedprod|sp-page|wpmm)"
    r"|id=(?:seedprod|seed-csp4|sp-page|wpmm|maintenance-mode|maintenance-page|cmp-content)\b"
    r"|class=[^\n]*\b(?:is--ctl-maintenance|body-maintenance|wpmm-wrapper)\b",
    re.MULTILINE,
)
MAINTENANCE_TITLE: Final = any_of(
    (
        r"(?:the |this |our )?(?:\w+ ){0,2}(?:(?:is|are) )?(?:currently |temporarily )?(?:under|in|"
        r"down for|undergoing|offline for)?(?: (?:scheduled|planned|routine|essential|"
        r"emergency))? ?maintenance(?: (?:mode|break|page|window|work|in progress|underway))?",
        r"(?:we(?:'ll| will| are|'re)? )?(?:be )?(?:right |coming )?back (?:soon|shortly|in a (?:moment|"
        r"minute|few minutes|bit)|later|online soon)(?: [^|–—-]{0,20})?",
        r"(?:we'll )?be right back|(?:please )?(?:come|check) back (?:soon|later|shortly)",
        r"(?:launching|opening|coming|available|online) (?:very )?soon(?: [^|–—-]{0,20})?",
        r"(?:website |site |page )?under (?:construction|development)|(?:website |site )?(?:is )?coming soon",
        r"(?:site|website|web site|shop|store|service|page|we are|we're|system)?(?: is)? ?(?:temporarily|"
        r"currently|briefly) (?:unavailable|offline|closed|down|out of service)[^|–—-]{0,30}",
        r"(?:site |website |store |shop )?(?:is )?(?:offline|closed temporarily|down)",
        r"(?:50[023][ :-]*)?service(?: is)?(?: temporarily)? unavailable|(?:error )?503[^|–—-]{0,40}",
        r"(?:system |software |site |scheduled )?(?:upgrade|update)(?: in progress| underway)?",
        r"(?:geplante |laufende )?wartung(?:sarbeiten|smodus|spause|sseite|sfenster)?(?: [^|–—-]{0,20})?",
        r"(?:in|im) wartung[^|–—-]{0,20}|wir sind (?:gleich|bald|in kürze) (?:wieder|zurück)[^|–—-]{0,20}",
        r"(?:gleich|bald|in kürze) (?:wieder )?(?:da|zurück|online|verfügbar)",
        r"(?:vorübergehend|zurzeit|derzeit) (?:nicht (?:erreichbar|verfügbar)|geschlossen|offline)",
        r"(?:website )?im aufbau|hier entsteht[^|–—-]{0,60}",
        r"(?:site |boutique )?(?:en |en cours de )?maintenance(?: en cours| programmée)?",
        r"(?:nous serons |nous sommes )?(?:bientôt )?de retour(?: bientôt| très bientôt)?",
        r"(?:site |page )?en (?:construction|travaux)",
        r"(?:site )?(?:temporairement|momentanément) (?:indisponible|fermé)[^|–—-]{0,10}",
        r"bientôt (?:disponible|en ligne)|revenez[^|–—-]{0,20}",
        r"(?:sitio |página |web |tienda )?(?:en |bajo )?(?:mantenimiento|construcción)(?: programado)?",
        r"volvemos (?:pronto|enseguida|en breve)|próximamente|muy pronto",
        r"(?:site )?em (?:manutenção|construção|breve)|voltamos (?:já|em breve)",
        r"(?:sito )?in (?:manutenzione|costruzione|allestimento)|torniamo (?:presto|subito)[^|–—-]{0,10}",
        r"(?:website |site )?in onderhoud|onderhoud|(?:we zijn )?(?:zo |snel |binnenkort )?(?:weer )?terug",
        r"underhåll|vedligeholdelse",
        r"(?:przerwa techniczna|prace (?:techniczne|konserwacyjne|serwisowe)|strona w (?:budowie|"
        r"przebudowie)|wkrótce[^|–—-]{0,20}|konserwacja",
        r"údržba[^|–—-]{0,20}|probíhá údržba",
        r"karbantartás[^|–—-]{0,20}|bakım[^|–—-]{0,20}|yapım aşamasında|çok yakında)",
        r"(?:сайт )?(?:на |ведутся )?(?:техническ(?:ие|ое|их) (?:работы|обслуживани[ие]|работ)|"
        r"реконструкци[ия]|обслуживани[ие])(?: [^|–—-]{0,20})?",
        r"(?:сайт )?(?:в разработке|временно недоступен|закрыт)",
        r"скоро (?:вернемся|вернёмся|открытие|откроемся)[^|–—-]{0,20}|(?:технічні|профілактичні) роботи",
        r"(?:网站|系统|系統|網站|站点|本站)?(?:正在)?(?:升级)?(?:维护|維護|升级|建设|建設)(?:中|升级中)?",
        r"(?:メンテナンス|工事|準備)(?:中|のお知らせ|作業中)?[^|–—-]{0,10}",
        r"(?:시스템 |서비스 )?점검(?: ?중)[^|–—-]{0,10}",
    )
)
MAINTENANCE_TEXT: Final = any_of(
    (
        r"briefly unavailable for scheduled maintenance",
        r"(?:undergoing|down for|performing|offline for|unavailable due to|closed for|under|carrying out|"
        r"in|doing|scheduled|planned|routine) (?:\w+ ){0,3}maintenance",
        r"maintenance (?:mode|in progress|is being|work)",
        r"wartung(?:sarbeiten|smodus| durchgeführt| befindet)|(?:wird|werden) .{0,30}gewartet",
        r"(?:in|im) wartung|(?:en|de) maintenance|en mantenimiento|em manutenção|in manutenzione",
        r"in onderhoud",
        r"технич\w+ (?:работ|обслуж)|(?:维护|維護|升级)中|メンテナンス(?:中|のため|作業)|점검 ?중",
        r"prac\w* (?:techniczn|konserwacyjn|serwisow)\w*|bakım(?:da|dadır| çalışma)",
    )
)
"""Sentences that only a maintenance page consists of."""

RETURN_TEXT: Final = any_of(
    (
        r"\b(?:back|return|again|soon|shortly|later|moment|minutes|hours|meanwhile|patience|apologi[sz]e|"
        r"sorry|inconvenience|working|improv\w+|upgrad\w+|updat\w+|launch\w*|stay tuned|notify|"
        r"unavailable|maintenance)\b",
        r"\b(?:zurück|wieder|kürze|später|bald|geduld|entschuldig\w+|arbeiten|überarbeit\w+|verfügbar|"
        r"wartung)\b",
        r"\b(?:retour|bientôt|revenir|revenez|patience|excus\w+|travail\w+|tard)\b",
        r"\b(?:pronto|volver\w*|disculp\w+|tarde|breve|desculp\w+|presto|torn\w+|scus\w+|spoedig|terug|"
        r"później|wkrótce|przepraszamy|brzy)\b",
        r"скоро|позже|вернит|приносим|稍后|抱歉|恢复|しばらく|お待ち|後ほど|ご迷惑|잠시|죄송",
    )
)

DEFAULT_TITLE: Final = any_of(
    (
        r"welcome to (?:nginx|openresty|angie|tengine|freenginx|caddy|apache|httpd|lighttpd|litespeed|"
        r"openlitespeed|the (?:apache |nginx )?(?:web )?server)(?:[ !].{0,60})?",
        r"(?:(?:apache2?|httpd|nginx|http|web|lighttpd|lighttpd|centos|debian|ubuntu|fedora|freebsd|"
        r"almalinux|rocky linux|red hat|amazon linux)[ -]?)+(?:server )?(?:default|test|welcome|"
        r"placeholder) ?page.{0,80}",
        r"(?:http|web|apache|nginx|httpd)? ?(?:server )?test page(?: (?:for|powered by) .{0,80})?",
        r"test page for .{0,80}",
        r".{0,30}\bdefault (?:web ?site|web ?page|web|site|page|domain page|index page|start page|"
        r"landing page)(?: .{0,40})?",
        r"default",
        r"it works!?(?: .{0,40})?|iis(?: ?\d+(?:\.\d)?| windows(?: server)?)?",
        r"internet information services.{0,30}|caddy works!?|apache tomcat(?:/.{0,20})?",
        r"congratulations!?(?: .{0,60}(?:server|site|installed).{0,30})?",
        r"(?:domain|web server's|server) default page|default web ?site page|placeholder page.{0,40}",
        r"web ?server(?: is)? (?:running|works|up|installed|ready).{0,40}",
        r"success!? .{0,40}(?:server|virtual host).{0,30}|hello!? welcome to synology.{0,30}",
        r"welcome to xampp|wampserver.{0,40}|phpinfo\(\)|php \d.{0,20}phpinfo\(\)|web server status",
        r"lighttpd.{0,20}|welcome to centos",
        r"(?:microsoft )?azure app service.{0,30}|welcome to firebase hosting",
        r"your (?:new )?(?:web ?site|web app|server|domain) is (?:ready|running|up|live|set up|"
        r"working).{0,40}",
        r"future home of .{0,60}|恭喜.{0,10}站点创建成功.{0,5}|没有找到站点|站点创建成功.{0,10}",
        r"(?:open)?litespeed.{0,40}|hestia ?cp.{0,30}|vesta.{0,20}default.{0,20}|ispconfig.{0,30}",
        r"cyberpanel.{0,20}|directadmin.{0,20}|plesk.{0,40}|cpanel.{0,20}",
    )
)
DEFAULT_TEXT: Final = any_of(
    (
        r"it works",
        r"(?:web )?server (?:is|has been|was|software is) (?:\w+ ){0,2}(?:installed|running|working|up|"
        r"ready|configured|online|started)",
        r"successfully (?:installed|configured|created|set up)",
        r"(?:put|upload|place|add|replace|publish|start adding|deploy) (?:\w+ ){0,5}(?:your|content|"
        r"pages|files|index\.html|own)",
        r"no content (?:has been|was|is)|waiting for your content",
        r"default (?:web ?page|page|site|web ?site|welcome page|index|virtual host|document)",
        r"this page is used to test|test the (?:proper|correct) operation|further configuration is required",
        r"if you (?:can )?(?:see|are seeing|can read) this (?:page|web ?page)|(?:web)?site administrator",
        r"document ?root|/var/www|/usr/share/nginx|htdocs|public_html|httpdocs|wwwroot|virtual ?host",
        r"webserver (?:ist|wurde|läuft)|(?:ist|wurde) (?:erfolgreich )?(?:installiert|eingerichtet)",
        r"serveur (?:est|web) .{0,30}(?:installé|fonctionne)|servidor .{0,30}(?:instalado|funciona)",
        r"сервер .{0,30}(?:установлен|работает)|默认页面|站点创建成功",
        r"インストール.{0,10}(?:完了|成功)|テストページ",
    )
)
