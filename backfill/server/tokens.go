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

// NewToken returns a new secret token: 32 random bytes in base64url, 43 characters.
func NewToken() string {
	b := make([]byte, sha256.Size)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// HashToken returns a token as the file has it: sha256:HEX. A token of NewToken has 256 random bits
// and cannot be guessed, so its hash needs neither a salt nor a slow function.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hashed + hex.EncodeToString(sum[:])
}

const hashed = "sha256:"

// Token is a line of a token file.
type Token struct {
	Name   string
	Hash   [sha256.Size]byte
	Scopes []string // {"*"} when the line has none
}

// caller is the Caller that the token stands for.
func (t Token) caller() Caller {
	return Caller{Name: t.Name, Via: ViaToken, Scopes: append([]string(nil), t.Scopes...)}
}

// The maximum sizes of a token file and of a line in it, in bytes. mostTokenName is the maximum
// length of a name.
const (
	mostTokenFile = 1 << 20
	mostTokenLine = 16 << 10
	mostTokenName = 100
)

// ParseTokens reads the lines of a token file:
//
//	NAME sha256:HEX [scope…]
//
// HEX is from HashToken, and each name is given once. A token without scopes may do everything that
// the service can; a token with scopes may do only what these say. Roles (assume:…) among them are
// not expanded. Empty lines and lines that begin with # are ignored. Any other line is an error
// that wraps job.ErrInvalid and names the line's number, including a last line without a line
// break, which may have been cut off. Errors never contain a hash.
func ParseTokens(text []byte) ([]Token, error) {
	bad := func(n int, format string, args ...any) error {
		return fmt.Errorf("%w: line %d of the tokens: %s", job.ErrInvalid, n, fmt.Sprintf(format, args...))
	}
	var out []Token
	// The numbers of the lines, from 1, by name and by hash; 0 for one that is new.
	names, hashes := map[string]int{}, map[[sha256.Size]byte]int{}
	n := 0
	for len(text) > 0 {
		n++
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		text = rest
		switch {
		case len(line) > mostTokenLine:
			return nil, bad(n, "longer than %d bytes", mostTokenLine)
		case !utf8.Valid(line):
			return nil, bad(n, "not UTF-8")
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
			return nil, bad(n, "the last line does not end in a line break; was the file cut off?")
		case names[t.Name] > 0:
			return nil, bad(n, "%s is already the name in line %d", t.Name, names[t.Name])
		case hashes[t.Hash] > 0:
			return nil, bad(n, "the token is the same as in line %d", hashes[t.Hash])
		}
		names[t.Name], hashes[t.Hash] = n, n
		out = append(out, t)
	}
	return out, nil
}

// parseToken reads the fields of a line.
func parseToken(fields []string) (Token, error) {
	t := Token{Name: fields[0], Scopes: fields[1:]}
	if strings.HasPrefix(t.Name, hashed) || len(t.Name) > mostTokenName || !printable(t.Name) {
		return t, errors.New("no name at the beginning; " +
			"expected NAME sha256:HEX [scope…], with NAME in printable ASCII")
	}
	if len(fields) < 2 {
		return t, fmt.Errorf("%s has no hash; expected NAME sha256:HEX [scope…]", t.Name)
	}
	digits, ok := strings.CutPrefix(fields[1], hashed)
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != sha256.Size {
		return t, fmt.Errorf("%s has no valid hash; expected sha256: and 64 hexadecimal digits", t.Name)
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

// printable reports whether a word is printable ASCII without spaces.
func printable(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return s != ""
}

// Tokens is an Authenticator with the tokens of a file. It reads the file again when it has
// changed, so a line that is removed stops working within a second. OpenTokens makes one. mu guards
// everything below it. seen is nil while the file could not be opened.
type Tokens struct {
	name string

	mu     sync.Mutex
	looked time.Time   // when the file was last checked for changes
	seen   fs.FileInfo // the file's state when it was last read
	list   []Token
	err    error // why it could not be read; nil when it could
}

// OpenTokens reads a token file. It is an error when the file cannot be read, when others than its
// owner may write it, or when a line is wrong; see ParseTokens. When this happens to the file
// later, no token is accepted any more: requests get ErrCannotCheck, and Check says what is wrong.
func OpenTokens(name string) (*Tokens, error) {
	t := &Tokens{name: name}
	return t, t.Check()
}

// lookEvery is how long the file is not checked for changes.
const lookEvery = time.Second

// Check reads the file again if it has changed, and returns what is wrong with it.
func (t *Tokens) Check() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	// A zero time makes current look now.
	t.looked = time.Time{}
	_, err := t.current()
	return err
}

// current returns the tokens of the file. The caller holds mu. A call within lookEvery of the last
// look returns what that one found, also an error.
func (t *Tokens) current() ([]Token, error) {
	now := time.Now()
	if since := now.Sub(t.looked); !t.looked.IsZero() && since >= 0 && since < lookEvery {
		return t.list, t.err
	}
	t.looked = now
	info, err := os.Stat(t.name)
	// A file that could not be used is read again even if it looks the same.
	same := err == nil && t.err == nil && t.seen != nil && os.SameFile(info, t.seen) &&
		info.ModTime().Equal(t.seen.ModTime()) && info.Size() == t.seen.Size() && info.Mode() == t.seen.Mode()
	// The file system's clock may be coarse, so that a file written twice within one tick has the
	// same time. Until the file is old enough to rule that out, read it every time.
	if !same || now.Sub(info.ModTime()) < 2*lookEvery {
		t.list, t.seen, err = readTokens(t.name)
		t.err = job.Wrap("server.tokens", t.name, err)
	}
	return t.list, t.err
}

// readTokens reads the file. It checks the type and permissions of the file that it opened, not of
// the name, so that the file cannot be exchanged in between.
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
		return nil, nil, fmt.Errorf("%w: not a regular file", job.ErrInvalid)
	}
	// The bits that let the group and others write.
	const others = 0o022
	if mode := info.Mode().Perm(); mode&others != 0 && runtime.GOOS != "windows" { // Windows has no such bits
		return nil, nil, fmt.Errorf("%w: others may write it (mode %#o); run chmod go-w on it", job.ErrInvalid, mode)
	}
	// One byte more than allowed tells a file of exactly the maximum from a longer one.
	text, err := io.ReadAll(io.LimitReader(f, mostTokenFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > mostTokenFile {
		return nil, nil, fmt.Errorf("%w: longer than %d bytes", job.ErrInvalid, mostTokenFile)
	}
	list, err := ParseTokens(text)
	return list, info, err
}

// find returns the token with this hash. It compares every token in constant time, so that the time
// reveals nothing about them.
func (t *Tokens) find(sum [sha256.Size]byte) (Token, error) {
	t.mu.Lock()
	list, err := t.current()
	t.mu.Unlock()
	if err != nil {
		return Token{}, fmt.Errorf("%w: the token file cannot be used", ErrCannotCheck)
	}
	at := -1
	for i := range list {
		// No break: the loop takes as long for the first token as for the last.
		if subtle.ConstantTimeCompare(list[i].Hash[:], sum[:]) == 1 {
			at = i
		}
	}
	if at < 0 {
		return Token{}, fmt.Errorf("%w: unknown token", ErrWrong)
	}
	return list[at], nil
}

// ofToken is find for a token as the caller sent it.
func (t *Tokens) ofToken(token string) (Token, error) {
	return t.find(sha256.Sum256([]byte(token)))
}

// Authenticate implements Authenticator for requests with Authorization: Bearer TOKEN.
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

// Still checks that a caller who came by a token still has it, with all the scopes of then. It is
// for Guard.Still. It accepts callers who came in another way. A backfill may run for hours after
// its request, and stops acting when the line is removed or loses a scope.
func (t *Tokens) Still(c Caller) error {
	if c.Via != ViaToken {
		return nil
	}
	t.mu.Lock()
	list, err := t.current()
	t.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%w: the token file cannot be used", ErrCannotCheck)
	}
	for _, has := range list {
		if has.Name != c.Name {
			continue
		}
		for _, s := range c.Scopes {
			if !scope.Satisfies(has.Scopes, s) {
				return fmt.Errorf("%w: the token of %s no longer has the scope %s", ErrWrong, c.Name, s)
			}
		}
		return nil
	}
	return fmt.Errorf("%w: the token of %s was removed", ErrWrong, c.Name)
}

// credentials returns what follows the scheme in the Authorization header. ok is false when the
// request has no such header, more than one, or another scheme.
func credentials(r *http.Request, scheme string) (string, bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", false
	}
	name, rest, _ := strings.Cut(headers[0], " ")
	return strings.TrimSpace(rest), strings.EqualFold(name, scheme)
}
