package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/scope"
	"github.com/mozci/mozci/job"
)

// NewToken returns a new secret: 32 random bytes in base64url.
func NewToken() string {
	b := make([]byte, sha256.Size)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// HashToken is how a token stands in a file of tokens: sha256:HEX. A token of NewToken
// cannot be guessed, so that its hash needs neither salt nor time.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hashed + hex.EncodeToString(sum[:])
}

const hashed = "sha256:"

// Token is a line of a file of tokens.
type Token struct {
	Name   string
	Hash   [sha256.Size]byte
	Scopes []string // "*" where the line has none
}

// caller is who has the token.
func (t Token) caller() Caller {
	return Caller{Name: t.Name, Via: ViaToken, Scopes: append([]string(nil), t.Scopes...)}
}

// The bounds of a file of tokens, in bytes.
const (
	mostTokenFile = 1 << 20
	mostTokenLine = 16 << 10
	mostTokenName = 100
)

// ParseTokens reads the lines of a file of tokens:
//
//	NAME sha256:HEX [scope…]
//
// HEX is of HashToken, and names are given once. A token without scopes may do all that
// the service can, one with scopes what they say and no more; roles (assume:…) in them
// are not expanded. Empty lines, and those that begin with #, are left out. Any other
// line, also a last one that is cut off, is an error that wraps job.ErrInvalid and names
// its number, and what has no place in a file: it never shows a hash.
func ParseTokens(text []byte) ([]Token, error) {
	bad := func(n int, format string, args ...any) error {
		return fmt.Errorf("%w: line %d of the tokens: %s", job.ErrInvalid, n, fmt.Sprintf(format, args...))
	}
	var out []Token
	names, hashes := map[string]int{}, map[[sha256.Size]byte]int{}
	n := 0
	for len(text) > 0 {
		n++
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		text = rest
		switch {
		case len(line) > mostTokenLine:
			return nil, bad(n, "it is longer than %d bytes", mostTokenLine)
		case !utf8.Valid(line):
			return nil, bad(n, "it is not UTF-8")
		}
		fields := strings.Fields(string(line))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		t, err := parseToken(fields)
		switch {
		case err != nil:
			return nil, bad(n, "%v", err)
		case !whole:
			return nil, bad(n, "it does not end in a line break: was the file cut off?")
		case names[t.Name] > 0:
			return nil, bad(n, "%s is in line %d too", t.Name, names[t.Name])
		case hashes[t.Hash] > 0:
			return nil, bad(n, "its token is that of line %d", hashes[t.Hash])
		}
		names[t.Name], hashes[t.Hash] = n, n
		out = append(out, t)
	}
	return out, nil
}

// parseToken reads the words of a line.
func parseToken(fields []string) (Token, error) {
	t := Token{Name: fields[0], Scopes: fields[1:]}
	if strings.HasPrefix(t.Name, hashed) || len(t.Name) > mostTokenName || !printable(t.Name) {
		return t, errors.New("it begins with no name: expected NAME sha256:HEX [scope…], the name of printable ASCII")
	}
	if len(fields) < 2 {
		return t, fmt.Errorf("%s has no hash: expected NAME sha256:HEX [scope…]", t.Name)
	}
	digits, ok := strings.CutPrefix(fields[1], hashed)
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != sha256.Size {
		return t, fmt.Errorf("%s has no hash: expected sha256: and 64 hexadecimal digits", t.Name)
	}
	copy(t.Hash[:], sum)
	t.Scopes = t.Scopes[1:]
	for _, s := range t.Scopes {
		if !printable(s) || strings.HasPrefix(s, "#") {
			return t, fmt.Errorf("%.40q is not a scope", clip.Marked(s, 40))
		}
	}
	if len(t.Scopes) == 0 {
		t.Scopes = []string{scope.All}
	}
	return t, nil
}

// printable reports whether a word is of printable ASCII.
func printable(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return s != ""
}

// Tokens is an Authenticator: the tokens of a file, which is read again when it has
// changed. OpenTokens makes one.
type Tokens struct {
	name string

	mu     sync.Mutex
	looked time.Time   // when the file was looked at last
	seen   fs.FileInfo // as it was when it was read
	list   []Token
	err    error // why it could not be read
}

// OpenTokens reads a file of tokens. It is an error when the file cannot be read, when
// others than its owner may write it, or when a line is wrong; see ParseTokens. Later, a
// file that has become so lets nobody in: requests are answered ErrCannotCheck, and
// Check says why.
func OpenTokens(name string) (*Tokens, error) {
	t := &Tokens{name: name}
	return t, t.Check()
}

// lookEvery is how old what is known of the file may be.
const lookEvery = time.Second

// Check reads the file anew where it has changed, and returns what is wrong with it.
func (t *Tokens) Check() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked = time.Time{}
	_, err := t.current()
	return err
}

// current are the tokens as the file has them. The caller holds mu.
func (t *Tokens) current() ([]Token, error) {
	now := time.Now()
	if since := now.Sub(t.looked); !t.looked.IsZero() && since >= 0 && since < lookEvery {
		return t.list, t.err
	}
	t.looked = now
	info, err := os.Stat(t.name)
	same := err == nil && t.err == nil && t.seen != nil && os.SameFile(info, t.seen) &&
		info.ModTime().Equal(t.seen.ModTime()) && info.Size() == t.seen.Size() && info.Mode() == t.seen.Mode()
	// A file that was written a moment ago may be written again within the clock's tick.
	if !same || now.Sub(info.ModTime()) < 2*lookEvery {
		t.list, t.seen, err = readTokens(t.name)
		t.err = job.Wrap("server.tokens", t.name, err)
	}
	return t.list, t.err
}

// readTokens reads the file; what is checked is what is read.
func readTokens(name string) ([]Token, fs.FileInfo, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%w: it is not a regular file", job.ErrInvalid)
	}
	const others = 0o022
	if mode := info.Mode().Perm(); mode&others != 0 && runtime.GOOS != "windows" { // there the bits mean nothing
		return nil, nil, fmt.Errorf("%w: others may write it (mode %#o): chmod go-w it", job.ErrInvalid, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, mostTokenFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > mostTokenFile {
		return nil, nil, fmt.Errorf("%w: it is longer than %d bytes", job.ErrInvalid, mostTokenFile)
	}
	list, err := ParseTokens(text)
	return list, info, err
}

// find returns the token whose hash this is. Each is compared, and in constant time.
func (t *Tokens) find(sum [sha256.Size]byte) (Token, error) {
	t.mu.Lock()
	list, err := t.current()
	t.mu.Unlock()
	if err != nil {
		return Token{}, fmt.Errorf("%w: the file of tokens cannot be used", ErrCannotCheck)
	}
	at := -1
	for i := range list {
		if subtle.ConstantTimeCompare(list[i].Hash[:], sum[:]) == 1 {
			at = i
		}
	}
	if at < 0 {
		return Token{}, fmt.Errorf("%w: no such token", ErrWrong)
	}
	return list[at], nil
}

// ofToken is who has a token.
func (t *Tokens) ofToken(token string) (Token, error) {
	return t.find(sha256.Sum256([]byte(token)))
}

// Authenticate implements Authenticator, of requests with Authorization: Bearer TOKEN.
func (t *Tokens) Authenticate(_ context.Context, r *http.Request, _ []byte) (Caller, error) {
	token, ok := credentials(r, "Bearer")
	if !ok {
		return Caller{}, ErrNoCredentials
	}
	found, err := t.ofToken(token)
	if err != nil {
		return Caller{}, err
	}
	return found.caller(), nil
}

// Still says whether a caller who came by a token still has it, with the scopes of then;
// for Guard. Other callers are none of its business.
func (t *Tokens) Still(c Caller) error {
	if c.Via != ViaToken {
		return nil
	}
	t.mu.Lock()
	list, err := t.current()
	t.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%w: the file of tokens cannot be used", ErrCannotCheck)
	}
	for _, has := range list {
		if has.Name != c.Name {
			continue
		}
		for _, s := range c.Scopes {
			if !scope.Satisfies(has.Scopes, s) {
				return fmt.Errorf("%w: the token of %s may no longer do %s", ErrWrong, c.Name, s)
			}
		}
		return nil
	}
	return fmt.Errorf("%w: the token of %s was taken back", ErrWrong, c.Name)
}

// credentials are what follows a scheme in the request's one Authorization header, or
// false for a request that has none of that scheme.
func credentials(r *http.Request, scheme string) (string, bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", false
	}
	name, rest, _ := strings.Cut(headers[0], " ")
	return strings.TrimSpace(rest), strings.EqualFold(name, scheme)
}
