package hawk_test

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/hawk"
)

func ExampleKey_Header() {
	key := hawk.Key{ID: "dh37fgj492je", Secret: "werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn"}
	u, _ := url.Parse("http://example.com:8000/resource/1?b=1&a=2")
	header, err := key.Header(hawk.Signed{
		Method: "GET", URL: u, Time: time.Unix(1353832234, 0), Nonce: "j4h3g2",
		Ext: "some-app-ext-data",
	})
	fmt.Println(strings.ReplaceAll(header, ", ", "\n"), err)
	// Output:
	// Hawk id="dh37fgj492je"
	// ts="1353832234"
	// nonce="j4h3g2"
	// ext="some-app-ext-data"
	// mac="6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE=" <nil>
}
