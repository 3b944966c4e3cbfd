// Package slug makes and checks slugids, the ids of Taskcluster's tasks, such as
// QTgI5fPPRCy8F_dvKmVrcw: a UUID of version 4 in base64url without padding, 22 characters.
//
// Start with [Valid] to check one, or [Of] to make one.
package slug

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// The fixed bits of a UUID of version 4, and what they allow in a slugid. A character holds
// six bits, so character n has the bits 6n to 6n+5 of the UUID's 128:
//
//   - Character 8 has the bits 48 to 53. The bits 48 to 51 are the version, 0100, and two
//     are free: 16 to 19, which is Q to T.
//   - Character 10 has the bits 60 to 65. The bits 64 and 65 are the variant, 10, and four
//     are free: the characters whose value is 2 modulo 4.
//   - Character 21 has the bits 126 and 127 and four zeros: 0, 16, 32 or 48.
const (
	versionAt, versions = 8, "QRST"
	variantAt, variants = 10, "CGKOSWaeimquy26-"
	last, lasts         = 21, "AQgw"
)

// Valid reports whether s is a slugid of a UUID of version 4.
func Valid(s string) bool {
	if len(s) != last+1 || strings.IndexByte(versions, s[versionAt]) < 0 ||
		strings.IndexByte(variants, s[variantAt]) < 0 || strings.IndexByte(lasts, s[last]) < 0 {
		return false
	}
	for _, c := range []byte(s) {
		letter := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// Of is the slugid for a key: the first 16 bytes of its SHA-256 with the version and the
// variant set, so one key always gives the same id. The first bit is 0, so the id begins
// with a letter and no program takes it for a flag: base64's first 32 characters are A to f.
func Of(key string) string {
	sum := sha256.Sum256([]byte(key))
	id := sum[:16]
	id[0] &= 0x7f
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return base64.RawURLEncoding.EncodeToString(id)
}

// UUID is the UUID that a slugid stands for, in its usual form with hyphens.
func UUID(s string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) != 16 {
		return "", fmt.Errorf("%q is not a slugid of 22 characters", s)
	}
	h := hex.EncodeToString(raw)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), nil
}
