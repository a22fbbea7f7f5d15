package persistence

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/x/mongo/driver/connstring"
)

// CheckURI finds out whether a connection string can be used, without asking
// anybody. Its errors name parameters and quote nothing else.
func CheckURI(uri string) error {
	plain, query, _ := strings.Cut(uri, "?")
	srv := strings.HasPrefix(plain, connstring.SchemeMongoDBSRV+"://")
	if srv { // the driver would ask the DNS
		plain = connstring.SchemeMongoDB + strings.TrimPrefix(plain, connstring.SchemeMongoDBSRV)
	}
	var params []string
	for param := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(param, "=")
		if _, err := url.QueryUnescape(param); err != nil {
			return errors.New("has a parameter that is not escaped")
		}
		if srv && strings.HasPrefix(strings.ToLower(name), "srv") {
			continue // of a name in the DNS alone
		}
		params = append(params, param)
	}
	whole, err := connstring.ParseAndValidate(withParams(plain, params...))
	if err != nil {
		return blame(plain, params)
	}
	for name := range whole.UnknownOptions {
		if !slices.Contains(otherDrivers(), strings.ToLower(name)) {
			return fmt.Errorf("has a parameter that is not known: %.40q", name)
		}
	}
	for _, c := range whole.Compressors {
		if !slices.Contains([]string{"snappy", "zlib", "zstd"}, c) {
			return errors.New("has a value of compressors that is not known: snappy, zlib and zstd are")
		}
	}
	return nil
}

// otherDrivers are parameters that are documented and that this driver passes
// over: one string is often shared by several programs.
func otherDrivers() []string {
	return []string{
		"waitqueuetimeoutms", "waitqueuemultiple", "uuidrepresentation", "readconcernlevel", "gssapiservicename",
		"tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "autoconnect", "maxstalenessseconds", "srvservicename",
		"tlsdisablecertificaterevocationcheck", "proxyhost", "proxyport", "proxyusername", "proxypassword",
	}
}

// blame finds the part of a string that the driver refuses.
func blame(plain string, params []string) error {
	if _, err := connstring.ParseAndValidate(withParams(plain)); err != nil {
		return errors.New("is not a MongoDB connection string: look at its hosts and ports, and write % / ? # : and @ in a user or password escaped (%25 %2F %3F %23 %3A %40)")
	}
	for _, param := range params {
		name, _, _ := strings.Cut(param, "=")
		if _, err := connstring.ParseAndValidate(withParams("mongodb://u:p@h/", param)); err != nil {
			return fmt.Errorf("has a value of %.40q that cannot be used", name)
		}
	}
	return errors.New("has parameters that do not fit one another, or its hosts or user")
}

func withParams(plain string, params ...string) string {
	if len(params) == 0 {
		return plain
	}
	if _, rest, _ := strings.Cut(plain, "://"); !strings.Contains(rest, "/") {
		plain += "/"
	}
	return plain + "?" + strings.Join(params, "&")
}
