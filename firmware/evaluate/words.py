"""What the report says in plain words about itself: how it judges, and what its figures do not tell."""

from __future__ import annotations

from firmware.evaluate.blocks import AWAY_GROWTH, FALSE_FRAME, INNER_PART, LEAK_SHARE, SAME_NCC, TEXTURE_STD

PICTURES_WARNING = """
This report contains pictures of the data set. Where something was missed, the person or the name can be recognised.
Keep it as safe as the data set itself, and pass it on only to people who may see that."""

NO_PICTURES = """
This report was made without pictures. File names and measurements of the data set are in it."""

JUDGED = f"""
Each clip went through the same program as "scrubcam scrub", and the encoded result was decoded and compared with the \
input. Only what can be seen counts: neither the detectors nor their boxes are asked.
Both pictures are cut into blocks of 8 x 8 pixels. A block counts if it has texture in the input (standard deviation \
above {TEXTURE_STD:g} of 255). It still shows if input and output correlate above {SAME_NCC:g}.
A face or word leaks in a frame if more than {LEAK_SHARE:.0%} of the counted blocks in the inner {INNER_PART:.0%} of \
its box still show. Recall (covered) is the share of boxes that do not leak.
The longest exposure is the largest number of annotated frames in a row in which one clip leaks anywhere.
The false area is the share of the counted blocks that no longer show, away from all boxes (each grown by \
{AWAY_GROWTH:.0%} of its size on every side). In a false frame it is above {FALSE_FRAME:.0%}. Both are means of each \
clip's own mean.
"At least" is the lower end of a 95 % interval (Wilson) for the recall, as if all boxes were independent. Frames of \
one clip resemble each other, so with video the truth may be lower still."""

NOT_COVERED = """
Voice, tattoos, jewellery, body shape, gait, hands, rooms, and the operating field itself. In eye, ear-nose-throat, \
dental and facial surgery the field is the face.
What the data set does not mark: a face or word without a box is not counted when it is missed, and covering it counts \
as a false fill. Frames without an entry are not judged.
Faces and words unlike those in the data set. Stills say little about motion, one hospital says little about another.
What a person can guess from what is left: the rule asks whether parts of a face or word still look the same, not \
whether somebody can be recognised.
File names, times and the fact of the recording."""


def lines(text: str) -> list[str]:
    """The sentences or items of one of the texts above."""
    return text.strip().splitlines()
