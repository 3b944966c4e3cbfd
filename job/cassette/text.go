package cassette

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// secretWords are in the names of what is secret, written without - and _.
var secretWords = []string{
	"token", "secret", "password", "passwd", "passphrase", "apikey", "privatekey", "accesskey", "signature",
	"credential", "certificate", "bewit", "authorization", "cookie", "sessionid", "xamz", "xgoog",
}

// notSecret are names that have such a word, of what only says where a list goes on.
var notSecret = []string{"continuationtoken", "nexttoken", "pagetoken"}

var plainName = strings.NewReplacer("-", "", "_", "", ".", "", " ", "")

// secretName reports whether a header, a parameter or a JSON member of this name holds
// a secret. A name with a slash is data, as the label of a job is.
func secretName(name string) bool {
	if strings.Contains(name, "/") {
		return false
	}
	name = plainName.Replace(strings.ToLower(name))
	for _, n := range notSecret {
		if strings.Contains(name, n) {
			return false
		}
	}
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return name == "sig" || name == "jwt" || name == "pwd"
}

// secretAll reports whether all that is in an object or an array of this name is
// secret. Credentials have members that are not: the names within tell.
func secretAll(name string) bool {
	name = strings.TrimSuffix(plainName.Replace(strings.ToLower(name)), "s")
	return !strings.HasSuffix(name, "credential") && secretName(name) &&
		slices.ContainsFunc(secretWords, func(w string) bool { return strings.HasSuffix(name, w) })
}

// body is the body of a request or an answer without what names tell to be secrets:
// JSON, a form, or text.
func (s *scrubber) body(text string) string {
	if isForm(text) {
		return s.pairs(text)
	}
	return s.text(text)
}

// isForm reports whether a text is a form, as application/x-www-form-urlencoded has it.
func isForm(text string) bool { return strings.Contains(text, "=") && form.MatchString(text) }

var form = regexp.MustCompile(`^[\w.~%+*()$!-]+=[\w.~%+*()$!:@/,;-]*(&[\w.~%+*()$!-]+=[\w.~%+*()$!:@/,;-]*)*$`)

var (
	address  = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>\\]+`)
	userInfo = regexp.MustCompile(`^((?:[^:/?#]+:)?//)([^/?#]*)@`)
	// A PEM text, of which the end may be missing.
	privateKey = regexp.MustCompile(
		`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	webToken = regexp.MustCompile(`\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*`)
	// A header in a text, with the lines that continue it.
	headerLine = regexp.MustCompile(
		`(?i)\b((?:proxy-|server-)?authorization|(?:set-)?cookie)(\\?["']?\s*[:=]\s*)([^\r\n]+(?:\r?\n[ \t]+[^\r\n]+)*)`)
	// A name that ends as those of secrets do, and its value: in quotes, in quotes that
	// are escaped, or bare.
	assignment = regexp.MustCompile(
		`(?i)([\w%.-]*(?:token|secret|password|passwd|passphrase|key|signature|credentials?|certificate|bewit|` +
			`session[_-]?id|\bsig|\bpwd|\bjwt))(\\*["']?\s*[:=]\s*)` +
			`(\\+"(?:[^"\\]|\\[^"])*(?:\\+")?|"(?:[^"\\]|\\.)*"?|'[^'\n]*'?|[^\s"'&;,<>\\]+)`)
)

// text is a text without what names in it tell to be secrets.
func (s *scrubber) text(text string) string {
	if len(text) < 5 {
		return text
	}
	if clean, ok := s.json(text); ok {
		return clean
	}
	text = privateKey.ReplaceAllStringFunc(text, s.redact)
	text = webToken.ReplaceAllStringFunc(text, s.redact)
	text = address.ReplaceAllStringFunc(text, s.url)
	text = headerLine.ReplaceAllStringFunc(text, func(line string) string {
		m := headerLine.FindStringSubmatch(line)
		if value := strings.Join(strings.Fields(m[3]), " "); looksSecret(value) {
			s.authorization(strings.Trim(value, `"'\`))
		}
		return m[1] + m[2] + redacted
	})
	return assignment.ReplaceAllStringFunc(text, func(pair string) string {
		m := assignment.FindStringSubmatch(pair)
		if !secretName(m[1]) {
			return pair
		}
		value := strings.Trim(m[3], `\"'`)
		return m[1] + m[2] + strings.Replace(m[3], value, s.guess(value), 1)
	})
}

// guess is redact for what may be a word of a text: it is learned where it does not look
// like one.
func (s *scrubber) guess(value string) string {
	if looksSecret(value) {
		s.redact(value)
	}
	return redacted
}

func looksSecret(value string) bool {
	return len(value) >= 2*shortest && strings.ContainsAny(value, "0123456789")
}

// url is a URL, or the beginning of one, without its user and password and without
// the values of parameters that names tell to be secrets.
func (s *scrubber) url(raw string) string {
	raw = userInfo.ReplaceAllStringFunc(raw, func(in string) string {
		m := userInfo.FindStringSubmatch(in)
		if _, password, ok := strings.Cut(m[2], ":"); ok {
			s.redact(password)
		} else {
			s.redact(m[2])
		}
		return m[1] + redacted + "@"
	})
	raw, fragment, hasFragment := strings.Cut(raw, "#")
	place, query, hasQuery := strings.Cut(raw, "?")
	if hasQuery {
		place += "?" + s.pairs(query)
	}
	if hasFragment {
		place += "#" + s.pairs(fragment)
	}
	return place
}

// pairs are names and values, as a query or a form has them. Where a value has
// secrets of its own, such as a URL has, it is written anew.
func (s *scrubber) pairs(text string) string {
	all := strings.Split(text, "&")
	for i, p := range all {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			continue
		}
		if secretName(unescaped(name)) {
			all[i] = name + "=" + s.redact(value)
			continue
		}
		plain := unescaped(value)
		if clean := s.text(plain); clean != plain {
			all[i] = name + "=" + url.QueryEscape(clean)
		}
	}
	return strings.Join(all, "&")
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
