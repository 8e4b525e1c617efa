"""Logins, consent and age gates, parked and suspended names, maintenance, default pages of servers."""

from __future__ import annotations

import re
from typing import Final

from contentmap_cli.crawl.pages.markers import Marks, any_of

LOGIN_CODE: Final = re.compile(r"^input name=(?:samlrequest|samlresponse|wresult|relaystate)$", re.MULTILINE)
"""A form that a script sends to a single sign-on."""

LOGIN_FORM: Final = re.compile(
    r"^form action=[^\n]{0,80}/(?:log-?in|sign-?in|sso|saml2?|oauth2?|auth)\b"
    r"|^input (?:type=email|autocomplete=username|name=[^\n]{0,80}(?:user|mail|login|account|identifier))",
    re.MULTILINE,
)
"""A form that asks for a name first, or for none."""

LOGIN_TEXT: Final = re.compile(
    r"\b(?:log|sign) ?in (?:to|with|using)\b|anmelden|connectez-vous|inicia sesión|войдите"
)

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
    r"^form action=[^\n]{0,80}(?:://consent\.|://guce\.|/v2/collectconsent|/privacy-?gate|/cookie-?wall"
    r"|/consent/(?:save|accept|set))",
    re.MULTILINE,
)
CONSENT_TITLE: Final = any_of(
    (
        r"before you (?:continue|proceed|go on|enter|visit)(?: .{0,60})?|bevor (?:sie|du) .{0,60}",
        r"avant (?:de|d'|que) .{0,60}",
        r"antes de (?:continuar|ir|acceder|entrar|prosseguir)(?: .{0,60})?",
        r"prima di (?:continuare|procedere|accedere)(?: .{0,60})?|voordat (?:je|u) .{0,60}",
        r"(?:(?:cookies?|privacy|data|your|user|gdpr) )+consent|(?:(?:cookies?|privacy|data|your|user|"
        r"gdpr) )*consent (?:required|needed|page|form|manager|choices|wall)",
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

PARKED_CODE: Final = Marks(
    {
        "Above": ("above.com/marketplace",),
        "Afternic": ("afternic.com/forsale", "afternic.com/domain"),
        "Bodis": ("bodiscdn.com", "/bodis.com", ".bodis.com"),
        "Dan.com": ("/dan.com/buy-domain", ".dan.com/buy-domain", "undeveloped.com/buy"),
        "Dynadot": ("dynadot.com/forsale", "dynadot.com/market"),
        "GoDaddy": ("parking-lander", "lander_system"),
        "Google": ("googleparking", "adsense/domains/caf"),
        "HugeDomains": ("hugedomains.com/domain_profile", "hugedomains.com/payment"),
        "Namecheap": ("parkingpage.namecheap",),
        "ParkingCrew": ("parkingcrew.net", "d38psrni17bvxu.cloudfront"),
        "ParkLogic": ("parklogic.com", "parked-content."),
        "registrars": ("parking.reg.ru", "parking.nic.ru"),
        "Saw": ("saw.com/buy", "domainmarket.com/buynow"),
        "Sedo": ("sedoparking.com", "sedoparkingurl", "sedo.com/search/details", "sedo.com/checkdomainoffer"),
        "others": ("domainparking", "domain_parking", "domain-parking"),
    },
    any_of(
        (
            r"window\.park ?=|\bap: ?[\x22']parking",
            r"location(?:\.href)? ?= ?[\x22']/lander",
        )
    ),
)
"""What domain brokers and registrars put on names that have no site."""

_ABOUT_A_DOMAIN: Final = (
    r"(?=.{0,60}(?:[\w-]\.[a-z]{2}|domain|domínio|dominio|domein|domén|domena|домен|域名|ドメイン|도메인"
    r"|alan adı|\bname\b|\bweb ?site\b))"
)
# A house or a boat may be for sale as well.
PARKED_TITLE: Final = any_of(
    (
        _ABOUT_A_DOMAIN
        + r".{0,70}\b(?:is|are|may be|might be|could be) (?:now )?(?:for sale|available for (?:purchase|"
        r"sale))\b.{0,60}",
        r"(?:buy|purchase|own|get) (?:this |the )?domain(?: name)?(?: .{0,60})?",
        r"(?:this )?(?:premium )?domain(?: name)? (?:for sale|name for sale|available).{0,40}",
        r"(?:this |the )?(?:domain|website|web ?page|site|page|"
        r"name)(?: name)?(?: [\w-]+\.[\w.-]+)? (?:is )?(?:parked|has expired|expired|"
        r"is not active).{0,60}",
        r"[\w-]+\.[\w.-]+ [-|–:] (?:domain )?for sale",
        r"parked (?:domain|page|free).{0,60}|domain parking.{0,40}",
        r"(?:this |the )?domain(?: name)? (?:is |has been )?(?:parked|registered|expired|reserved).{0,40}",
        r"(?:this )?(?:account|website|web ?site|site|domain|hosting|service|"
        r"page)(?: account)?(?: [\w-]+\.[\w.-]+)?(?: (?:has been|is|was))?(?: temporarily)? (?:suspended|"
        r"deactivated|disabled)(?: .{0,40})?",
        r"bandwidth limit exceeded|(?:account|site|domain) suspen(?:ded|sion).{0,20}",
        _ABOUT_A_DOMAIN
        + r".{0,70}\b(?:steht zum verkauf|zu verkaufen|à vendre|en venta|se vende|à venda|in vendita|"
        r"te koop|na sprzedaż|na prodej|till salu|til salg|eladó)\b.{0,40}",
        _ABOUT_A_DOMAIN + r".{0,60}(?:прода[её]тся|припаркован|выставлен на продажу|satılık).{0,40}",
        _ABOUT_A_DOMAIN + r".{0,60}(?:出售|转让|轉讓|売り出し中|販売中|판매).{0,40}",
    )
)
PARKED_TEXT: Final = any_of(
    (
        r"(?:domain|domain name|web address|name)\b.{0,40} (?:is|may be|might be) (?:now )?(?:for sale|"
        r"available for (?:sale|purchase)|parked)",
        r"buy this domain|inquire about this domain|make an offer on this domain",
        r"interested in (?:buying )?this domain",
        r"parked (?:free|for free|by|with|at|domain)|courtesy of godaddy",
        r"domain (?:name )?(?:is |was |has been )(?:recently |already )?(?:registered|reserved)",
        r"(?:domain|page) (?:is|was|has been) (?:parked|recently registered|registered (?:at|with|by|"
        r"through|via))",
        r"domain (?:name )?(?:has|is) expired|related (?:searches|links).{0,80}(?:domain|parking)",
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
    r"^body (?:class|id)=[^\n]{0,80}\b(?:maintenance|is-act-maintenancepage|under-construction|coming-soon"
    r"|seedprod|sp-page|wpmm)"
    r"|id=(?:seedprod|seed-csp4|sp-page|wpmm|maintenance-mode|maintenance-page|cmp-content)\b"
    r"|class=[^\n]{0,80}\b(?:is--ctl-maintenance|body-maintenance|wpmm-wrapper)\b",
    re.MULTILINE,
)
MAINTENANCE_TITLE: Final = any_of(
    (
        r"(?:(?:\w+ ){1,3}(?:is|are) (?:currently |temporarily )?(?:under|in|down for|undergoing|"
        r"offline for|closed for) |(?:under|in|down for|closed for|undergoing|offline for) |(?:site|"
        r"website|shop|store|system|server|planned|scheduled|routine|emergency|essential|currently|"
        r"temporarily|short) )*maintenance(?: (?:mode|break|page|window|in progress|underway))?",
        r"(?:down|closed|offline) for (?:an? )?(?:update|upgrade|repairs?|renovation|tonight|today|now)",
        r"(?:\w+ ){0,4}(?:is|are) (?:temporarily )?(?:closed|offline|down) (?:tonight|today|for .{1,30})",
        r"(?:temporarily|currently) closed|out of (?:service|order)",
        r"(?:planned |scheduled )?(?:downtime|outage)",
        r"(?:we(?:'ll| will| are|'re)? )?(?:be )?(?:right |coming )?back (?:soon|shortly|in a (?:moment|"
        r"minute|few minutes|bit)|later|online soon)(?: [^|–—-]{0,20})?",
        r"(?:we'll )?be right back|(?:please )?(?:come|check) back (?:soon|later|shortly)",
        r"(?:launching|opening|coming|available|online) (?:very )?soon(?: [^|–—-]{0,20})?",
        r"(?:website |site |page )?under (?:construction|development)|(?:website |site )?(?:is )?coming soon",
        r"(?:site|website|web site|shop|store|service|page|we are|we're|system)?(?: is)? ?(?:temporarily|"
        r"currently|briefly) (?:unavailable|offline|closed|down|out of service)[^|–—-]{0,30}",
        r"(?:site|website|store|shop) (?:is )?(?:offline|closed|down)|offline|closed temporarily",
        r"(?:50[023][ :-]*)?service(?: is)?(?: temporarily)? unavailable|(?:error )?503[^|–—-]{0,40}",
        r"(?:system |software |site |scheduled )+(?:upgrade|update)",
        r"(?:upgrade|update) (?:in progress|underway)",
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
        r"briefly unavailable for scheduled maintenance|(?:in|into) maintenance mode|maintenance in progress",
        r"(?:currently|is|are|'s|'re|site|shop|store) (?:currently |temporarily )?(?:undergoing|down for|"
        r"performing|offline for|unavailable due to|closed for|carrying out|under|in|doing) (?:some |"
        r"scheduled |planned |routine |essential |emergency |site |system |server |a |our |short |brief |"
        r"necessary |minor |urgent )*maintenance",
        r"(?:due to|because of) (?:scheduled |planned |urgent |ongoing )*maintenance",
        r"(?:wegen|aufgrund|aktuell|derzeit|zurzeit|momentan|gerade|geplant\w*)\b.{0,30}\bwartung",
        r"wartungsmodus",
        r"(?:seite|shop|website|system) .{0,20}gewartet",
        r"(?:site|boutique|actuellement|cours) .{0,30}\bmaintenance",
        r"(?:está|estamos|sitio|web|página|tienda) .{0,20}en mantenimiento",
        r"(?:está|estamos|site) .{0,20}em manutenção",
        r"(?:sito|è|negozio) .{0,20}in manutenzione|(?:is|zijn|website|site|webshop) .{0,20}in onderhoud",
        r"(?:вед|провод|идут|сайт)\w* .{0,40}(?:технич|профилактич)",
        r"(?:维护|維護|升级)中|メンテナンス(?:中|のため)",
        r"점검 ?중|(?:trwają|prowadzimy|powodu|przerwa) .{0,20}(?:techniczn|konserwac|serwisow)",
        r"bakım(?:da|dadır)",
    )
)
"""Sentences that only a maintenance page consists of."""

WORK_TEXT: Final = any_of(
    (
        r"(?:we(?:'re| are)|is being|are being|currently|is getting|gets|"
        r"has been taken down for) (?:\w+ )?(?:updat|upgrad|work|improv|mov|migrat|rebuil|redesign|"
        r"install|maintain|maintenance|repair|renovat|tun)\w*",
        r"(?:wird|werden|ist) .{0,30}(?:aktualisiert|überarbeitet|umgebaut|gewartet|erneuert)",
        r"wir arbeiten (?:gerade|an)",
        r"(?:estamos|están) (?:trabajando|actualizando|mejorando)",
        r"nous (?:travaillons|mettons à jour|améliorons)",
        r"stiamo (?:lavorando|aggiornando)|estamos (?:trabalhando|atualizando)|we werken aan|pracujemy",
        r"мы работаем",
    )
)
"""With `RETURN_TEXT`, all that a very short page says."""

RETURN_TEXT: Final = any_of(
    (
        r"\b(?:back|return|again|soon|shortly|later|moment|minutes|hours|meanwhile|patience|apologi[sz]e|"
        r"sorry|inconvenience|improv\w+|upgrad\w+|updat\w+|launch\w*|stay tuned|notify|tomorrow|"
        r"open again|unavailable)\b",
        r"\b(?:zurück|wieder|kürze|später|bald|geduld|entschuldig\w+|überarbeit\w+|verfügbar|wartung)\b",
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
        r"apache is functioning normally",
        r"(?:site|website|domain) (?:is )?not (?:configured|found|set up|published).{0,40}",
        r"welcome to (?:your|our) (?:new )?(?:hosting|server|website).{0,40}|new server",
        r"welcome to xampp|wampserver.{0,40}|phpinfo\(\)|php \d.{0,20}phpinfo\(\)|web server status",
        r"lighttpd.{0,20}|welcome to centos",
        r"(?:microsoft )?azure app service.{0,30}|welcome to firebase hosting",
        r"your (?:new )?(?:web ?site|web app|server|domain) is (?:ready|running|up|live|set up|"
        r"working)(?: and running| now)?",
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
        r"no content (?:has been|was|is)|waiting for your content|placeholder page|used to test",
        r"(?:not|n't) (?:been )?(?:yet )?(?:uploaded|published|configured)",
        r"no (?:web ?site|site|page) (?:at|is|has)",
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
