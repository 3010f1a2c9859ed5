"""Nothing -> the labels that packs may speak of: what each is called, and the groups that name several at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """One and many, in both languages."""

    one: str
    many: str
    hi_one: str
    hi_many: str


def _noun(one: str, many: str, hi_one: str, hi_many: str = "") -> Noun:
    return Noun(one=one, many=many, hi_one=hi_one, hi_many=hi_many or hi_one)


# A model may have other labels too; what is not here is called by its label, and lint remarks on it.
LABELS = {
    "face": _noun("face", "faces", "चेहरा", "चेहरे"),
    "person": _noun("person", "people", "व्यक्ति"),
    "police_officer": _noun("police officer", "police officers", "वर्दीधारी पुलिसकर्मी"),
    "military_person": _noun("soldier", "soldiers", "सैनिक"),
    "handgun": _noun("handgun", "handguns", "पिस्तौल", "पिस्तौलें"),
    "long_gun": _noun("long gun", "long guns", "बंदूक", "बंदूकें"),
    "knife": _noun("knife", "knives", "चाकू"),
    "ammunition": _noun("lot of ammunition", "lots of ammunition", "कारतूसों का ढेर", "कारतूसों के ढेर"),
    "cash": _noun("pile of cash", "piles of cash", "नकदी का ढेर", "नकदी के ढेर"),
    "liquor_bottle": _noun("liquor bottle", "liquor bottles", "शराब की बोतल", "शराब की बोतलें"),
    "drug_packet": _noun("drug packet", "drug packets", "मादक पदार्थ का पैकेट", "मादक पदार्थ के पैकेट"),
    "mobile_phone": _noun("mobile phone", "mobile phones", "मोबाइल फ़ोन"),
    "jewellery": _noun("piece of jewellery", "pieces of jewellery", "आभूषण"),
    "evidence_package": _noun("evidence package", "evidence packages", "सीलबंद पैकेट"),
    "police_vehicle": _noun("police vehicle", "police vehicles", "पुलिस वाहन"),
    "vehicle": _noun("vehicle", "vehicles", "वाहन"),
    "number_plate": _noun("number plate", "number plates", "नंबर प्लेट", "नंबर प्लेटें"),
    "document": _noun("document", "documents", "दस्तावेज़"),
    "police_signboard": _noun("police signboard", "police signboards", "पुलिस का बोर्ड", "पुलिस के बोर्ड"),
}

# a group stands for its labels wherever a label may stand
GROUPS = {
    "faces": ("face",),
    "plates": ("number_plate",),
    "weapons": ("handgun", "long_gun", "knife", "ammunition"),
    "firearms": ("handgun", "long_gun"),
    "goods": ("cash", "liquor_bottle", "drug_packet", "jewellery"),
    "uniforms": ("police_officer", "military_person"),  # camouflage of police and of the army differ by a badge
    "people": ("person", "police_officer", "military_person"),
    "intoxicants": ("liquor_bottle", "drug_packet"),
}
