"""Attacks on what leaves the product: can a face be matched, a name be read, a code be decoded, once it was filled?"""
