// Package slug makes and checks slugids, the names of Taskcluster's tasks: a
// UUID of version 4 in base64url without padding, 22 characters.
package slug

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

var v4 = regexp.MustCompile(`^[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]$`)

// Valid reports whether s is a slugid of a UUID of version 4.
func Valid(s string) bool { return v4.MatchString(s) }

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
