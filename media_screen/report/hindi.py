"""An English sentence of a page or message -> the same in the language that was asked for. A table, and a few nouns.

English stands where it is said, as everywhere in the program; what has no line here is an error, and a test finds it
before a reader does.
"""

from __future__ import annotations

HINDI = {
    # --- verdicts and dispositions ---
    "Could not be screened": "जाँच नहीं हो सकी",
    "What is in this file is not known for certain: do not upload it.": (
        "इस फ़ाइल में क्या है, यह निश्चित नहीं है: इसे अपलोड न करें।"
    ),
    "Must not be uploaded": "अपलोड करना मना है",
    "The rules forbid it. No copy was made.": "नियम इसे रोकते हैं। कोई प्रति नहीं बनाई गई।",
    "May be uploaded": "अपलोड किया जा सकता है",
    "It is within the rules of this policy.": "यह इस नीति के नियमों के भीतर है।",
    "Held: a person must decide": "रोका गया: निर्णय एक व्यक्ति को करना है",
    "Do not upload the copy until a person has released it.": "जब तक कोई ज़िम्मेदार व्यक्ति इसे जारी न करे, प्रति अपलोड न करें।",
    "Nothing to change": "कुछ बदलना नहीं है",
    "No rule of this policy objects to the file as it stands.": "इस नीति के किसी नियम को इस फ़ाइल पर आपत्ति नहीं है।",
    "Must be redacted first": "पहले ढकना ज़रूरी है",
    "Do not upload the file as it stands; media-screen batch makes the copy.": (
        "फ़ाइल को इसी रूप में अपलोड न करें; सही प्रति media-screen batch बनाता है।"
    ),
    "A person must decide": "निर्णय एक व्यक्ति को करना है",
    "Do not upload the file before the questions are answered.": "प्रश्नों के उत्तर मिलने से पहले फ़ाइल अपलोड न करें।",
    "The rules forbid it.": "नियम इसे रोकते हैं।",
    "The file is within the rules as it is; nothing had to be changed.": (
        "फ़ाइल जैसी है वैसी ही नियमों के भीतर है; कुछ बदलना नहीं पड़ा।"
    ),
    "Upload the cleaned copy, not the original.": "साफ़ की गई प्रति अपलोड करें, मूल फ़ाइल नहीं।",
    "Upload the redacted copy, not the original.": "ढकी हुई प्रति अपलोड करें, मूल फ़ाइल नहीं।",
    "pass": "ठीक",
    "redact": "ढकें",
    "review": "देखें",
    "block": "मना",
    "error": "त्रुटि",
    "PASS": "ठीक",
    "REDACT": "ढकें",
    "REVIEW": "देखें",
    "BLOCK": "मना",
    "ERROR": "त्रुटि",
    "cleared": "अपलोड योग्य",
    "held": "रोका गया",
    "blocked": "मना",
    # --- what a rule led to ---
    "Blurred": "धुंधला किया गया",
    "Removed": "हटाया गया",
    "Human review": "व्यक्ति को देखना है",
    "Blocked": "मना",
    "Note": "टिप्पणी",
    "Error": "त्रुटि",
    "To be blurred": "धुंधला करना है",
    "To be removed": "हटाना है",
    "unchanged, byte for byte": "बिना बदलाव, हर बाइट वही",
    "metadata removed": "मेटाडेटा हटाया गया",
    "redacted, metadata removed": "ढका गया, मेटाडेटा हटाया गया",
    # --- kinds of metadata ---
    "Location": "स्थान",
    "Date and time": "तारीख़ और समय",
    "Camera or phone": "कैमरा या फ़ोन",
    "Person": "व्यक्ति",
    "Hidden picture": "छिपा चित्र",
    "Text": "लिखित",
    "Unknown meaning": "अज्ञात अर्थ",
    # --- errors: what happened, and the way out ---
    "The file is damaged or incomplete.": "फ़ाइल ख़राब या अधूरी है।",
    "This kind of file cannot be screened.": "इस प्रकार की फ़ाइल की जाँच नहीं हो सकती।",
    "What is declared beside the file cannot be read.": "फ़ाइल के साथ घोषित जानकारी पढ़ी नहीं जा सकी।",
    "The file is larger or longer than the limits allow.": "फ़ाइल तय सीमा से बड़ी या लंबी है।",
    "A part of the program that looks at the pictures failed.": "चित्र देखने वाला हिस्सा काम नहीं कर सका।",
    "Metadata could not be removed for certain.": "मेटाडेटा निश्चित रूप से हटाया नहीं जा सका।",
    "The copy could not be written.": "प्रति लिखी नहीं जा सकी।",
    "The copy was examined and found wanting.": "प्रति की दोबारा जाँच में कमी मिली।",
    "The program broke down over this file.": "इस फ़ाइल पर प्रोग्राम रुक गया।",
    "It was interrupted.": "काम बीच में रोका गया।",
    "There is too little memory.": "मेमोरी कम पड़ गई।",
    "It took longer than is allowed.": "तय समय से अधिक लगा।",
    "The file could not be screened.": "फ़ाइल की जाँच नहीं हो सकी।",
    "Get the file again from the phone or the sender: this one is damaged or incomplete.": (
        "फ़ाइल फ़ोन या भेजने वाले से दोबारा लें: यह ख़राब या अधूरी है।"
    ),
    "Save it as JPEG, or as MP4 with H.264, and screen that.": ("इसे JPEG, या H.264 वाले MP4 के रूप में सहेजें और उसकी जाँच करें।"),
    "Mend the file of declared facts that is named, and screen it again.": (
        "बताई गई घोषणा-फ़ाइल ठीक करें और दोबारा जाँच करें।"
    ),
    "Cut it shorter or smaller, or raise the limit that is named.": "इसे छोटा करें, या बताई गई सीमा बढ़ाएँ।",
    "Run media-screen doctor; it says which part does not work.": (
        "media-screen doctor चलाएँ; वह बताता है कि कौन-सा हिस्सा काम नहीं करता।"
    ),
    "Save it anew as JPEG or MP4, and screen that.": "इसे फिर से JPEG या MP4 में सहेजें और उसकी जाँच करें।",
    "See to the output folder and its disk, and run again.": "आउटपुट फ़ोल्डर और डिस्क देखें, फिर दोबारा चलाएँ।",
    "Do not upload it. Cut the frames that are named, or blur them by hand, and screen it again.": (
        "इसे अपलोड न करें। बताए गए फ़्रेम काटें या हाथ से धुंधले करें, और दोबारा जाँच करें।"
    ),
    "Screen it alone; if that fails too, save it anew as JPEG or MP4.": (
        "इसकी अकेले जाँच करें; वह भी न हो तो इसे फिर से JPEG या MP4 में सहेजें।"
    ),
    "Run the same command again.": "वही आदेश दोबारा चलाएँ।",
    "Screen it with --jobs 1 or more memory, or save it smaller.": (
        "--jobs 1 के साथ या अधिक मेमोरी देकर जाँच करें, या इसे छोटा सहेजें।"
    ),
    "See to the file and its rights, and run again.": "फ़ाइल और उसकी अनुमतियाँ देखें, फिर दोबारा चलाएँ।",
    "{what} ({message})": "{what} ({message})",
    # --- questions and declared facts ---
    "only the person who releases it can answer": "उत्तर केवल वही दे सकता है जो इसे जारी करे",
    "As long as they are open, the stricter reading holds. Declare the answers and screen the file again.": (
        "जब तक ये खुले हैं, कड़ा अर्थ लागू रहता है। उत्तर घोषित करें और फ़ाइल की दोबारा जाँच करें।"
    ),
    "to be answered: {questions}": "उत्तर बाकी: {questions}",
    "by {name}": "{name} द्वारा",
    "Released by {name} on {day}: {reason}": "{name} ने {day} को जारी किया: {reason}",
    # --- how it was examined ---
    "The file was not examined to its end.": "फ़ाइल अंत तक नहीं जाँची गई।",
    "The picture was decoded.": "चित्र खोला गया।",
    "The whole file was decoded{length}.": "पूरी फ़ाइल खोली गई{length}।",
    "Only part of the file could be decoded{length}.": "फ़ाइल का केवल एक हिस्सा खुल सका{length}।",
    "The file was decoded to its end{length}.": "फ़ाइल अंत तक खोली गई{length}।",
    "{frames} to which no other refers were left out; before a pass none is.": (
        "{frames} छोड़े गए, जिन पर कोई दूसरा निर्भर नहीं; पास कहने से पहले कोई नहीं छोड़ा जाता।"
    ),
    "All {frames} of the copy are, packet by packet, the coded ones that were examined in the original;"
    " so they were not decoded again. What lies around them was read anew.": (
        "प्रति के सभी {frames} पैकेट-दर-पैकेट वही हैं जो मूल में जाँचे गए थे; इसलिए वे दोबारा नहीं खोले गए।"
        " उनके आसपास जो है, वह नए सिरे से पढ़ा गया।"
    ),
    "All {frames} of it were compared with the original; the longest gap between two sightings, {gap} s, is covered.": (
        "इसके सभी {frames} मूल से मिलाए गए; दो बार दिखने के बीच का सबसे लंबा अंतर, {gap} सेकंड, ढका हुआ है।"
    ),
    "Decoding error: {error}.": "खोलने में त्रुटि: {error}।",
    "Detector {detector} looked at the picture, for {labels}.": "डिटेक्टर {detector} ने चित्र देखा, इनके लिए: {labels}।",
    "Detector {detector} looked at {frames}, for {labels}.": "डिटेक्टर {detector} ने {frames} देखे, इनके लिए: {labels}।",
    "Detector {detector} looked at {frames}, never more than {gap} s apart, for {labels}.": (
        "डिटेक्टर {detector} ने {frames} देखे, {gap} सेकंड से अधिक अंतर कभी नहीं, इनके लिए: {labels}।"
    ),
    "No detector here looks for {labels}: a person is asked instead.": (
        "यहाँ कोई डिटेक्टर इन्हें नहीं देखता: {labels}। इसलिए व्यक्ति से पूछा जाता है।"
    ),
    "No detector looked at it: this policy needs none.": "किसी डिटेक्टर ने नहीं देखा: इस नीति को ज़रूरत नहीं है।",
    "No copy was made, so there was none to verify.": "कोई प्रति नहीं बनी, इसलिए जाँचने को कुछ नहीं था।",
    "The copy is the same as the original, byte for byte.": "प्रति और मूल फ़ाइल की हर बाइट एक-सी है।",
    "The copy was written ({passes}) and then examined with the same eyes: {frames} looked at.": (
        "प्रति लिखी गई ({passes}) और फिर उसी तरह जाँची गई: {frames} देखे गए।"
    ),
    (
        "The copy was written again until it was right ({passes}) and then examined with the same eyes:"
        " {frames} looked at."
    ): ("प्रति सही होने तक दोबारा लिखी गई ({passes}) और फिर उसी तरह जाँची गई: {frames} देखे गए।"),
    "The copy was examined with the same eyes: {frames} looked at.": "प्रति उसी तरह जाँची गई: {frames} देखे गए।",
    "The copy passed; no fault was found.": "प्रति ठीक है; कोई कमी नहीं मिली।",
    "The copy did not pass.": "प्रति ठीक नहीं है।",
    "Fault: {fault}.": "कमी: {fault}।",
    # --- heads and rows of the pages ---
    "To be answered": "उत्तर बाकी",
    "Declared": "घोषित",
    "Released": "जारी",
    "Copy": "प्रति",
    "Verified": "पुष्टि",
    "Examined": "जाँच",
    "Why, and what to do": "कारण, और क्या करना है",
    "Left open": "खुला रहा",
    "Left to the person who released it": "जिनका निर्णय जारी करने वाले पर था",
    "Questions to be answered": "जिन प्रश्नों के उत्तर बाकी हैं",
    "What was declared": "क्या घोषित किया गया",
    "Who released it": "किसने जारी किया",
    "The copy": "प्रति",
    "Everything that was found": "जो कुछ मिला",
    "Metadata that was removed": "हटाया गया मेटाडेटा",
    "How thoroughly it was examined": "कितनी गहराई से जाँचा गया",
    "Notes": "टिप्पणियाँ",
    "For the record": "अभिलेख के लिए",
    "No rule of this policy found anything to object to.": "इस नीति के किसी नियम को कोई आपत्ति नहीं मिली।",
    "clause {clauses}": "खंड {clauses}",
    "clauses {clauses}": "खंड {clauses}",
    "Clause {clauses}": "खंड {clauses}",
    "Clauses {clauses}": "खंड {clauses}",
    "Question": "प्रश्न",
    "Clauses": "खंड",
    "How to answer": "उत्तर कैसे दें",
    "What to do:": "क्या करें:",
    "and {count} more": "और {count} अन्य",
    "and {count} more, in the JSON report": "और {count} अन्य, JSON रिपोर्ट में",
    "What": "क्या",
    "When": "कब",
    "Certainty": "निश्चितता",
    "Sightings": "बार दिखा",
    "Names only. What they said is not kept in any report.": "केवल नाम। उनमें क्या लिखा था, यह किसी रिपोर्ट में नहीं रखा जाता।",
    "Policy": "नीति",
    "Input": "मूल फ़ाइल",
    "Model": "मॉडल",
    "Time taken": "लगा समय",
    "Made by": "बनाने वाला",
    "in the picture": "चित्र में",
    # --- the page of a batch ---
    "{files} screened": "{files} जाँची गईं",
    "media-screen - summary": "media-screen - सारांश",
    "policy {policies}": "नीति {policies}",
    "may be uploaded": "अपलोड योग्य",
    "held for a person": "व्यक्ति के लिए रोकी गईं",
    "could not be screened": "जाँच नहीं हो सकी",
    "checked only": "केवल जाँची गईं",
    "all {count}": "सभी {count}",
    "any clause": "कोई भी खंड",
    "clause {clause}: {count}": "खंड {clause}: {count}",
    "name": "नाम",
    "{shown} of {all} shown": "{all} में से {shown} दिख रही हैं",
    "File": "फ़ाइल",
    "Verdict": "निर्णय",
    "Result": "नतीजा",
    "Size": "आकार",
    "Why": "कारण",
    "open the copy": "प्रति खोलें",
    "none": "कोई नहीं",
    "finding": "जो मिला",
    # --- what the commands say ---
    "done before:": "पहले से जाँची:",
    "{count}, unchanged since": "{count}, तब से कोई बदलाव नहीं",
    "may be uploaded:": "अपलोड योग्य:",
    "for a human:": "व्यक्ति के लिए:",
    "all reports:": "सभी रिपोर्ट:",
    "{posts} posts: {fine} may stay, {down} to be taken down, {look} for a person to look at": (
        "{posts} पोस्ट: {fine} रह सकती हैं, {down} हटानी हैं, {look} व्यक्ति को देखनी हैं"
    ),
    "take down": "हटाएँ",
    "take down or let a person decide": "हटाएँ या कोई व्यक्ति निर्णय करे",
    "it is not in the folder: look at the post itself": "यह फ़ोल्डर में नहीं है: पोस्ट को ही देखें",
    "to be gone by {day}: {file}": "{day} तक हटाना है: {file}",
    "{count} files in the folder are not in the list of posts, and were not screened": (
        "फ़ोल्डर की {count} फ़ाइलें पोस्ट की सूची में नहीं हैं, और जाँची नहीं गईं"
    ),
    "not released": "जारी नहीं किया गया",
    "released by {by}: {file}": "{by} ने जारी किया: {file}",
    "the head that was noted is not in the chain: records were cut away": (
        "नोट किया गया अंतिम चिह्न शृंखला में नहीं है: अभिलेख काटे गए हैं"
    ),
    "line {number} is torn: a write was cut off there, and its record is lost": (
        "पंक्ति {number} अधूरी है: वहाँ लिखना बीच में रुका, वह अभिलेख नहीं रहा"
    ),
    "broken: {faults} faults in {records} records": "टूटी हुई: {records} अभिलेखों में {faults} दोष",
    "whole: {records} records": "पूरी: {records} अभिलेख",
    "head {sha256} (note it elsewhere: --head tells whether the end was cut away)": (
        "अंतिम चिह्न {sha256} (इसे कहीं और लिख लें: --head बताता है कि अंत काटा गया या नहीं)"
    ),
    # --- who is known ---
    "Known": "पहचान",
    "Who is known": "कौन पहचाना गया",
    "officers": "पुलिसकर्मी",
    "accused": "आरोपी",
    "protected": "संरक्षित",
    "unknown": "अज्ञात",
    "{name} stays visible: {agreeing} of {looks} agree, {near}, {others}.": (
        "{name} दिखता रहेगा: {looks} में से {agreeing} सहमत, {near}, {others}।"
    ),
    "distance {distance} of at most {most}": "दूरी {distance}, सीमा {most}",
    "{take} from where the file shows the same person for certain, {distance} from the enrolment": (
        "इसी फ़ाइल में जहाँ पहचान पक्की है वहाँ से दूरी {take}, दर्ज फ़ोटो से {distance}"
    ),
    "nobody else is enrolled": "कोई और दर्ज नहीं है",
    "everybody else is {margin} farther": "बाक़ी सब {margin} अधिक दूर हैं",
    "{name} signed for it that fewer are blurred ({mode}): {reason}": (
        "{name} ने ज़िम्मेदारी ली कि कम चेहरे धुंधले हों ({mode}): {reason}"
    ),
    "It was asked for that these are blurred: {mode}.": "इन्हें धुंधला करने को कहा गया: {mode}।",
    "Nobody could be compared, so everybody is unknown: {why}.": "किसी की तुलना नहीं हो सकी, इसलिए सब अज्ञात हैं: {why}।",
    "Nobody is recognised, and everyone is blurred: {why}; pip install 'media-screen[identify]'": (
        "कोई पहचाना नहीं जाता और सभी के चेहरे धुंधले किए जाते हैं: {why}; pip install 'media-screen[identify]'"
    ),
    "Faces were compared by {embedding} with the gallery ({people}).": (
        "चेहरों की तुलना {embedding} से गैलरी के साथ की गई ({people})।"
    ),
    "Enrolments that have expired, so that these people are unknown: {count}.": (
        "जिन प्रविष्टियों की अवधि बीत चुकी है, और वे लोग अब अज्ञात हैं: {count}।"
    ),
    "Faces of people who are not known for certain: {count}.": "जिन चेहरों की पहचान निश्चित नहीं: {count}।",
}

# one and many, where English has a plural
NOUNS = {
    "frame": ("फ़्रेम", "फ़्रेम"),
    "pass": ("बार", "बार"),
    "file": ("फ़ाइल", "फ़ाइलें"),
    "look": ("झलक", "झलकें"),
}

# what packs and models call things; a test holds it to the words of the policy room
LABELS = {
    "face": "चेहरा",
    "person": "व्यक्ति",
    "police_officer": "वर्दीधारी पुलिसकर्मी",
    "military_person": "सैनिक",
    "handgun": "पिस्तौल",
    "long_gun": "बंदूक",
    "knife": "चाकू",
    "ammunition": "कारतूसों का ढेर",
    "cash": "नकदी का ढेर",
    "liquor_bottle": "शराब की बोतल",
    "drug_packet": "मादक पदार्थ का पैकेट",
    "mobile_phone": "मोबाइल फ़ोन",
    "jewellery": "आभूषण",
    "evidence_package": "सीलबंद पैकेट",
    "police_vehicle": "पुलिस वाहन",
    "vehicle": "वाहन",
    "number_plate": "नंबर प्लेट",
    "document": "दस्तावेज़",
    "police_signboard": "पुलिस का बोर्ड",
}


def say(lang: str, text: str, **values: object) -> str:
    """The sentence, with its values put in."""
    return (HINDI[text] if lang == "hi" else text).format(**values)


def called(lang: str, label: str) -> str:
    """A label as one says it."""
    plain = label.replace("_", " ")
    return LABELS.get(label, plain) if lang == "hi" else plain
