"""What no picture can tell: the facts that a person may declare, the questions they answer -> typed Facts.

A fact that is not declared counts as the strictest of its values: the rules see to that, and a property test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from media_screen.policy.nouns import Text
from media_screen.types import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from media_screen.policy.place import Place

REFERENCE_LENGTH = 200
APPROVAL = "approval"  # the one fact with a value of its own: the reference under which it was given
GRANTED, NONE = "granted", "none"
FLAGS = ("account", "purpose")  # facts that have an option of their own on the command line
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))  # invisible, but Hindi is not written without them


@dataclass(frozen=True, slots=True, kw_only=True)
class FactWord:
    """One fact: what it is called in a sentence, the question that it answers, and its values in plain words."""

    short: Text
    question: Text
    values: Mapping[str, Text]


def _word(short: tuple[str, str], question: tuple[str, str], **values: tuple[str, str]) -> FactWord:
    return FactWord(
        short=Text(en=short[0], hi=short[1]),
        question=Text(en=question[0], hi=question[1]),
        values={name.replace("_", "-"): Text(en=en, hi=hi) for name, (en, hi) in values.items()},
    )


FACTS: dict[str, FactWord] = {
    "account": _word(
        ("whose account posts it", "किसके अकाउंट से पोस्ट होगा"),
        ("Whose account will post it?", "यह किसके अकाउंट से पोस्ट होगा?"),
        official=("the official account", "सरकारी अकाउंट"),
        personal=("a police officer's own account", "पुलिसकर्मी का अपना अकाउंट"),
        outsider=("a relative, friend or other private person", "परिजन, मित्र या कोई अन्य निजी व्यक्ति"),
    ),
    "uploader": _word(
        ("who uploads it", "कौन अपलोड करेगा"),
        (
            "Does the media cell that is appointed for it do the upload?",
            "क्या इसे इस काम के लिए नियुक्त मीडिया सेल अपलोड कर रहा है?",
        ),
        media_cell=("the appointed media cell", "नियुक्त मीडिया सेल"),
        other=("somebody else", "कोई और"),
    ),
    "purpose": _word(
        ("what it is for", "यह किस लिए है"),
        ("What is the post about?", "यह पोस्ट किस बारे में है?"),
        good_work=("good work: a case solved, a recovery, an arrest", "सराहनीय कार्य: खुलासा, बरामदगी, गिरफ़्तारी"),
        patrol=("patrol or vehicle checks", "गश्त या वाहन चेकिंग"),
        event=("an official event or public information", "सरकारी कार्यक्रम या जन-सूचना"),
        service=("help to the public", "जनता की सहायता"),
        inspection=("an inspection of police premises", "थाने, लाइन या कार्यालय का निरीक्षण"),
        training=("drill, firing practice or training", "ड्रिल, फ़ायरिंग या प्रशिक्षण"),
        complaint=("a conversation with a complainant", "शिकायतकर्ता से बातचीत"),
        lecture=("a lecture, webinar or live session", "लेक्चर, वेबिनार या लाइव सत्र"),
        profile_picture=("a profile picture", "प्रोफ़ाइल चित्र"),
        grievance=("a grievance about one's own service", "अपनी सेवा से जुड़ी शिकायत"),
        private=("a private occasion", "कोई निजी अवसर"),
    ),
    "approval": _word(
        ("who approved it", "किसकी अनुमति है"),
        (
            "Has the competent authority approved it, and under which reference?",
            "क्या सक्षम अधिकारी ने अनुमति दी है, और किस संदर्भ संख्या से?",
        ),
        granted=("approved", "अनुमति मिली"),
        none=("not approved", "अनुमति नहीं"),
    ),
    "place": _word(
        ("where it was taken", "कहाँ लिया गया"),
        (
            "Was it taken on police premises, or at the site of an encounter or operation?",
            "क्या यह पुलिस परिसर में, या मुठभेड़ अथवा ऑपरेशन की जगह पर लिया गया?",
        ),
        premises=("police premises", "पुलिस परिसर"),
        encounter=("the site of an encounter or operation", "मुठभेड़ या ऑपरेशन की जगह"),
        elsewhere=("somewhere else", "कोई और जगह"),
    ),
    "sealed": _word(
        ("whether recovered goods are sealed", "बरामद माल सीलमोहर है या नहीं"),
        (
            "Are recovered goods or weapons in view, and is every one of them sealed?",
            "क्या बरामद माल या हथियार दिख रहे हैं, और क्या हर एक सीलमोहर है?",
        ),
        yes=("every recovered thing is sealed", "हर बरामद वस्तु सीलमोहर है"),
        no=("something recovered is not sealed", "कोई बरामद वस्तु सीलमोहर नहीं है"),
        none=("nothing recovered is in view", "कोई बरामद वस्तु नहीं दिखती"),
    ),
    "parade": _word(
        ("whether an identification parade is pending", "शिनाख़्त परेड बाकी है या नहीं"),
        (
            "Is an identification parade still due for anyone in it?",
            "क्या इसमें दिख रहे किसी आरोपी की शिनाख़्त परेड अभी बाकी है?",
        ),
        pending=("an identification parade is due", "शिनाख़्त परेड बाकी है"),
        done=("the identification parade is over", "शिनाख़्त परेड हो चुकी है"),
        none=("no accused is in it", "इसमें कोई आरोपी नहीं है"),
    ),
    "protected": _word(
        ("whether a child or a victim is in it", "बच्चा या पीड़िता है या नहीं"),
        (
            "Does a child, a juvenile accused or a victim of a sexual offence appear in it, by picture, name or voice?",
            "क्या इसमें कोई बच्चा, किशोर आरोपी या यौन अपराध की पीड़िता चित्र, नाम या आवाज़ से आती है?",
        ),
        present=("a child, juvenile accused or victim is in it", "बच्चा, किशोर आरोपी या पीड़िता इसमें है"),
        absent=("none is in it", "इनमें से कोई नहीं है"),
    ),
    "identifiable": _word(
        ("whether somebody can be known without the face", "चेहरे के बिना कोई पहचाना जा सकता है या नहीं"),
        (
            "Can anyone of the public be recognised other than by the face: by number plate, name, address or voice?",
            "क्या कोई नागरिक चेहरे के अलावा पहचाना जा सकता है: नंबर प्लेट, नाम, पता, आवाज़?",
        ),
        present=("somebody can be recognised", "कोई पहचाना जा सकता है"),
        absent=("nobody can be recognised", "कोई पहचाना नहीं जा सकता"),
    ),
    "confidential": _word(
        ("whether it tells anything confidential", "कोई गोपनीय बात है या नहीं"),
        (
            "Does picture, sound or text tell anything confidential: a case, a document, police methods, an operation?",
            "क्या चित्र, आवाज़ या लेख में कुछ गोपनीय है: मुकदमा, दस्तावेज़, पुलिस के तरीके, कोई ऑपरेशन?",
        ),
        present=("something confidential is in it", "इसमें कुछ गोपनीय है"),
        absent=("nothing confidential is in it", "इसमें कुछ गोपनीय नहीं है"),
    ),
    "details": _word(
        ("whether it tells an officer's details", "किसी पुलिसकर्मी का विवरण है या नहीं"),
        (
            "Does it tell the special posting or personal details of any officer, or show one who works under cover?",
            "क्या इसमें किसी पुलिसकर्मी की विशेष नियुक्ति या निजी विवरण है, या गुप्त कार्य में लगा कोई दिखता है?",
        ),
        present=("such details are in it", "ऐसा विवरण इसमें है"),
        absent=("no such details are in it", "ऐसा कोई विवरण नहीं है"),
    ),
    "company": _word(
        ("who stands beside the officers", "पुलिसकर्मियों के साथ कौन है"),
        (
            "Does anyone with a criminal or antisocial background pose with an officer?",
            "क्या आपराधिक या असामाजिक पृष्ठभूमि का कोई व्यक्ति पुलिसकर्मी के साथ फ़ोटो में है?",
        ),
        criminal=("such a person poses with an officer", "ऐसा व्यक्ति पुलिसकर्मी के साथ है"),
        custody=("an accused in custody, blurred", "हिरासत में आरोपी, धुंधला किया हुआ"),
        none=("nobody of that kind", "ऐसा कोई नहीं"),
    ),
    "intoxicants": _word(
        ("whether intoxicants are in it", "मादक पदार्थ हैं या नहीं"),
        (
            "Are liquor or drugs in it, or anyone who has taken them?",
            "क्या इसमें शराब या मादक पदार्थ, या नशे में कोई व्यक्ति है?",
        ),
        present=("liquor or drugs, or their effect, are in it", "शराब, मादक पदार्थ या उनका असर इसमें है"),
        seized=("they were seized, and nobody has taken any", "वे ज़ब्त किए गए हैं, और किसी ने लिए नहीं हैं"),
        absent=("none are in it", "ऐसा कुछ नहीं है"),
    ),
    "decent": _word(
        ("whether it is decent", "शालीन है या नहीं"),
        (
            "Is all of it decent and worthy of the police: nothing obscene, violent or mocking, no dance in uniform?",
            "क्या सब कुछ शालीन और पुलिस की गरिमा के अनुरूप है: कुछ अश्लील, हिंसक, उपहास नहीं, वर्दी में नाच या मज़ाक नहीं?",
        ),
        yes=("it is decent", "यह शालीन है"),
        no=("it is not decent", "यह शालीन नहीं है"),
    ),
    "promotion": _word(
        ("whether it earns or advertises", "कमाई या प्रचार है या नहीं"),
        (
            "Does it earn money, or advertise a person, a company, a product or a service?",
            "क्या इससे कमाई होती है, या किसी व्यक्ति, कंपनी, उत्पाद या सेवा का प्रचार होता है?",
        ),
        present=("it earns or advertises", "कमाई या प्रचार है"),
        absent=("it does neither", "ऐसा कुछ नहीं है"),
    ),
    "symbols": _word(
        ("whether it shows a sign of protest or party", "विरोध या दल का चिह्न है या नहीं"),
        (
            "Does it show a sign of protest, of an organisation or a party, or a political or religious view?",
            "क्या इसमें विरोध, किसी संगठन या दल का चिह्न, अथवा राजनीतिक या धार्मिक विचार है?",
        ),
        present=("such a sign is in it", "ऐसा चिह्न इसमें है"),
        absent=("no such sign is in it", "ऐसा कोई चिह्न नहीं है"),
    ),
    "rights": _word(
        ("who holds the rights", "अधिकार किसके हैं"),
        (
            "Are picture, music and text our own, or is their use permitted?",
            "क्या चित्र, संगीत और लेख अपने हैं, या उनके उपयोग की अनुमति है?",
        ),
        held=("our own or permitted", "अपने या अनुमति प्राप्त"),
        missing=("not permitted", "अनुमति नहीं है"),
    ),
    "origin": _word(
        ("where it comes from", "यह कहाँ से आया"),
        (
            "Did we take it ourselves? If it was received, was it verified?",
            "क्या इसे हमने खुद लिया? यदि प्राप्त हुआ, तो क्या सत्यापित है?",
        ),
        own=("taken by ourselves", "हमारा अपना"),
        verified=("received and verified", "प्राप्त और सत्यापित"),
        unverified=("received, not verified", "प्राप्त, सत्यापित नहीं"),
    ),
    "court": _word(
        ("whether a court restricts it", "न्यायालय की रोक है या नहीं"),
        (
            "Does an order or direction of a court stand against it?",
            "क्या किसी न्यायालय का आदेश या निर्देश इसके विरुद्ध है?",
        ),
        clear=("no court restricts it", "किसी न्यायालय की रोक नहीं"),
        restricted=("a court restricts it", "न्यायालय की रोक है"),
    ),
}


def answer(fact: str) -> str:
    """The option that declares it."""
    values = "|".join(FACTS[fact].values)
    if fact == APPROVAL:
        return "--attest approval=REFERENCE --by NAME"
    return f"--{fact} {values}" if fact in FLAGS else f"--attest {fact}={values}"


def read(document: object, at: Place) -> tuple[Fact, ...]:
    """Facts by name, and `by`: who vouches for them. In the order in which they are asked.

    Raises:
        SettingsError: an unknown fact or value, or an approval that nobody vouches for.
    """
    given = at.mapping(document, (), (*FACTS, "by"))
    by = _line(given["by"], at.key("by")) if "by" in given else ""
    return tuple(_fact(name, given[name], by, at.key(name)) for name in FACTS if name in given)


def _fact(name: str, value: object, by: str, at: Place) -> Fact:
    said = unboolean(value)
    if name != APPROVAL:
        return _told(name, at.one_of(said, tuple(FACTS[name].values)), by)
    if said == NONE:
        return _told(name, NONE, by)
    reference = _line(at.number_or_string(said), at)
    if reference in ("yes", "no"):
        at.fault("must be the reference under which it was given, or none")
    if not by:
        at.fault("who vouches for it? Give by (on the command line --by NAME)")
    return _told(name, GRANTED, by, reference)


def _told(name: str, value: str, by: str, reference: str = "") -> Fact:
    short, said = FACTS[name].short, FACTS[name].values[value]
    return Fact(
        name=name,
        value=value,
        reference=reference,
        by=by,
        text=f"{short.en}: {said.en}",
        text_hi=f"{short.hi}: {said.hi}",
    )


def unboolean(value: object) -> object:
    """YAML takes yes and no for booleans; here they are words."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def _line(value: object, at: Place) -> str:
    """One line of visible letters: it stands in reports and in the ledger."""
    line = at.string(value)
    if not line.translate(_JOINERS).isprintable() or len(line) > REFERENCE_LENGTH:
        at.fault(f"must be one line of at most {REFERENCE_LENGTH} visible letters")
    return line
