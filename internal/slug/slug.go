// Package slug makes and checks slugids, the names of Taskcluster's tasks: a
// UUID of version 4 in base64url without padding, 22 characters.
package slug

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Where the four bits of the version, the two of the variant and the last two of all stand,
// and which letters they leave.
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

// Of is the slugid that a key stands for, always the same. It begins with a
// letter, so that no program takes it for a flag.
func Of(key string) string {
	sum := sha256.Sum256([]byte(key))
	id := sum[:16]
	id[0] &= 0x7f
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return base64.RawURLEncoding.EncodeToString(id)
}

// UUID is the UUID that a slugid is short for.
func UUID(s string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) != 16 {
		return "", fmt.Errorf("%q is not a slugid of 22 characters", s)
	}
	h := hex.EncodeToString(raw)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), nil
}
