package redact_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/redact"
)

// What a URL has that must not reach a log, in all the ways it can be written.
func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.com/x?a=1#top":                         "",
		"https://example.com/x@y/z//q@r?mail=a@b&who=x":         "",
		"https://example.com:8080/a?u=https://b.example/c@d":    "",
		"https://example.com/?redirect=https%3A%2F%2Fb%2Fc%40d": "",
		"https://u:s3cr3t@example.com/":                         "https://REDACTED@example.com/",
		"https://u:s3cr3t%40x@y@example.com/":                   "https://REDACTED@example.com/",
		"http://u:s3cr3t/a@example.com/":                        "http://REDACTED@example.com/",
		"http://u:s3cr3t a@example.com/?x=1":                    "http://REDACTED@example.com/?x=1",
		"http://u:s3cr3t?a@example.com/":                        "http://REDACTED@example.com/",
		"//u:s3cr3t@example.com":                                "//REDACTED@example.com",
		"https://x/?sig=s3cr3t&sv=2020":                         "https://x/?sig=REDACTED&sv=2020",
		"https://x/?SIG=s3cr3t":                                 "https://x/?SIG=REDACTED",
		"https://x/?s%69g=s3cr3t":                               "https://x/?s%69g=REDACTED",
		"https://x/?sig=s3cr3t%zz%3D%26":                        "https://x/?sig=REDACTED",
		"https://x/?se=s3cr3t&sp=r":                             "https://x/?se=REDACTED&sp=r",
		"https://x/?a=1;sig=s3cr3t;b=2":                         "https://x/?a=1;sig=REDACTED;b=2",
		"https://x/?X-Amz-Credential=s3cr3t&X-Amz-Signature=s3cr3t&X-Amz-Security-Token=s3cr3t": "https://x/?" +
			"X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED&X-Amz-Security-Token=REDACTED",
		"https://x/?X-Goog-Signature=s3cr3t&GoogleAccessId=s3cr3t": "https://x/?X-Goog-Signature=REDACTED&" +
			"GoogleAccessId=REDACTED",
		"https://x/?AWSAccessKeyId=s3cr3t&Signature=s3cr3t&Expires=1": "https://x/?AWSAccessKeyId=REDACTED&" +
			"Signature=REDACTED&Expires=1",
		"https://x/?bewit=s3cr3t%5C12%5C&access_token=s3cr3t": "https://x/?bewit=REDACTED&access_token=REDACTED",
		"https://x/cb#access_token=s3cr3t&n=1":                "https://x/cb#access_token=REDACTED&n=1",
		"https://x/?next=https%3A%2F%2Fy%3Fsig%3Ds3cr3t%26n%3D1&m=2": "https://x/?next=" +
			"https%3A%2F%2Fy%3Fsig%3DREDACTED%26n%3D1&m=2",
		"https://x/?next=https%253A%252F%252Fy%253Fsig%253Ds3cr3t%2526n": "https://x/?next=" +
			"https%253A%252F%252Fy%253Fsig%253DREDACTED%2526n",
		"https://x/?next=https%3A%2F%2Fu%3As3cr3t%40y%2F": "https://x/?next=https%3A%2F%2FREDACTED%40y%2F",
		"https://x/?next=https://u:s3cr3t@y/?sig=s3cr3t":  "https://x/?next=https://REDACTED@y/?sig=REDACTED",
		"https://x/p/https%3a%2f%2fy%3fsig%3ds3cr3t":      "https://x/p/https%3a%2f%2fy%3fsig%3dREDACTED",
		"https://x\x7f/?sig=s3cr3t":                       "https://x\x7f/?sig=REDACTED",
		"https://x/%zz?sig=s3cr3t a\"b<c":                 "https://x/%zz?sig=REDACTED",
		"https://[::1/?token=s3cr3t":                      "https://[::1/?token=REDACTED",
		":?sig=s3cr3t":                                    ":?sig=REDACTED",
		"":                                                "",
	} {
		if want == "" {
			want = in
		}
		got := redact.URL(in)
		if got != want {
			t.Errorf("Redact(%q)\n got %q\nwant %q", in, got, want)
		}
		if again := redact.URL(got); again != got {
			t.Errorf("%q is redacted once more, to %q", got, again)
		}
	}
}

// What servers and net/http say of a request.
func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"no secrets here: basic authentication required, token expired":  "",
		`{"continuationToken": "page2", "state": "x=1"}`:                 "",
		"Bearer tokens are refused":                                      "",
		`Get "http://u:s3cr3t@h/x?sig=s3cr3t%2F&a=1": dial tcp: refused`: `Get "http://REDACTED@h/x?sig=REDACTED&a=1": dial tcp: refused`,
		`failed to parse Location header "/x?sig=s3cr3t a%zz": parse "/x?sig=s3cr3t a%zz": invalid URL escape "%zz"`: `` +
			`failed to parse Location header "/x?sig=REDACTED": parse "/x?sig=REDACTED": invalid URL escape "REDACTED"`,
		`parse "http://u:s3cr3t/x@h": invalid port ":s3cr3t" after host`: `parse "http://REDACTED@h": ` +
			`invalid port "REDACTED" after host`,
		`see https://h/x?sig=s3cr3t, or <https://h/?token=s3cr3t>`:  "see https://h/x?sig=REDACTED or <https://h/?token=REDACTED>",
		"Authorization: Bearer s3cr3t-1\r\nHost: h":                 "Authorization: REDACTED\r\nHost: h",
		"Authorization: Basic dTpzM2NyM3Q=\nHost: h":                "Authorization: REDACTED\nHost: h",
		`bad mac: Hawk id="me", ts="1", nonce="x", mac="s3cr3t="`:   "bad mac: Hawk REDACTED",
		`{"authorization": "Hawk id=\"me\", mac=\"s3cr3t\""}`:       `{"authorization": "REDACTED"}`,
		`{"message": "got Hawk id=\"me\", mac=\"s3cr3t\"", "n": 1}`: `{"message": "got Hawk REDACTED", "n": 1}`,
		`{"accessToken": "s3cr3t \" x", "n": 1}`:                    `{"accessToken": "REDACTED", "n": 1}`,
		`{"accessToken": "s3cr3t, cut of`:                           `{"accessToken": "REDACTED`,
		`{"body": "{\"password\": \"s3cr3t\"}"}`:                    `{"body": "{\"password\": \"REDACTED\"}"}`,
		`{"headers": {"Cookie": ["a=s3cr3t; b=s3cr3t"]}}`:           `{"headers": {"Cookie": ["REDACTED"]}}`,
		`{"url": "https:\/\/u:s3cr3t@h\/?sig=s3cr3t"}`:              `{"url": "https:\/\/REDACTED@h\/?sig=REDACTED"}`,
		`{"url": "https://h/?a=1\u0026sig=s3cr3t\u0026b=2"}`:        `{"url": "https://h/?a=1\u0026sig=REDACTED"}`,
		"Set-Cookie: id=s3cr3t; Path=/\nX-Api-Key: s3cr3t":          "Set-Cookie: REDACTED\nX-Api-Key: REDACTED",
		"Proxy-Authorization: s3cr3t":                               "Proxy-Authorization: REDACTED",
		"{'X-Api-Key': 's3cr3t', 'Host': 'h'}":                      "{'X-Api-Key': 'REDACTED', 'Host': 'h'}",
		"map[Authorization:[s3cr3t] Host:[h]]":                      "map[Authorization:[REDACTED] Host:[h]]",
		"<AWSAccessKeyId>s3cr3t</AWSAccessKeyId><SignatureProvided>s3cr3t</SignatureProvided><HostId>h</HostId>": "" +
			"<AWSAccessKeyId>REDACTED</AWSAccessKeyId><SignatureProvided>REDACTED</SignatureProvided>" +
			"<HostId>h</HostId>",
		`<a href="https://h/?a=1&amp;sig=s3cr3t&amp;b=2">`: `<a href="https://h/?a=1&amp;sig=REDACTED&amp;b=2">`,
		"AWS4-HMAC-SHA256 Credential=s3cr3t/2026, SignedHeaders=host, Signature=s3cr3t": "AWS4-HMAC-SHA256 " +
			"Credential=REDACTED SignedHeaders=host, Signature=REDACTED",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzM2NyM3QifQ.c2lnbmF0dXJl refused": "REDACTED refused",
		"\x00\xff?sig=s3cr3t&\xfe": "\x00\xff?sig=REDACTED&\xfe",
	} {
		if want == "" {
			want = in
		}
		got := redact.Text(in)
		if got != want {
			t.Errorf("RedactText(%q)\n got %q\nwant %q", in, got, want)
		}
		if again := redact.Text(got); again != got {
			t.Errorf("%q is redacted once more, to %q", got, again)
		}
		if json.Valid([]byte(in)) != json.Valid([]byte(got)) {
			t.Errorf("%q is JSON no more: %q", in, got)
		}
	}
}

// Redacting ends, keeps JSON readable, and a second time changes nothing.
func FuzzRedact(f *testing.F) {
	f.Add(`{"url": "https:\/\/u:p@h\/?sig=s\u0026a%3Db"}`)
	f.Add(`https://x/?next=https%3A%2F%2Fu%3Ap%40y%3Fsig%3Ds%26n%3D1&m=2`)
	f.Fuzz(func(t *testing.T, in string) {
		got := redact.Text(in)
		if json.Valid([]byte(in)) && strings.HasPrefix(in, "{") && !json.Valid([]byte(got)) {
			t.Errorf("%q is JSON no more: %q", in, got)
		}
		if u := "https://x/?sig=s3cr3t&a=" + url.QueryEscape(in); strings.Contains(redact.URL(u), "s3cr3t") {
			t.Errorf("%q", redact.URL(u))
		}
	})
}
