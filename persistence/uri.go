package persistence

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/x/mongo/driver/connstring"
)

// CheckURI finds out whether a connection string can be used, without asking
// anybody. It reads the files that the string names. Its errors name parameters
// and such files, and quote nothing else.
func CheckURI(uri string) error {
	plain, query, _ := strings.Cut(uri, "?")
	srv := strings.HasPrefix(plain, connstring.SchemeMongoDBSRV+"://")
	if srv { // the driver would ask the DNS
		plain = connstring.SchemeMongoDB + strings.TrimPrefix(plain, connstring.SchemeMongoDBSRV)
	}
	if srv {
		if err := checkSeed(plain); err != nil {
			return err
		}
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
	if twice := givenTwice(params); twice != "" {
		return fmt.Errorf("has the parameter %.40q twice", twice)
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
	return checkOptions(plain, params, srv)
}

// givenTwice returns a parameter that occurs more than once, of which the driver
// would take the last. Only tags may be repeated.
func givenTwice(params []string) string {
	seen := map[string]bool{}
	for _, param := range params {
		name := parameterName(param)
		if seen[name] && name != "readpreferencetags" {
			original, _, _ := strings.Cut(param, "=")
			return original
		}
		seen[name] = true
	}
	return ""
}

// checkSeed checks the host of a mongodb+srv string, of which the DNS tells the
// servers and their ports.
func checkSeed(plain string) error {
	_, rest, _ := strings.Cut(plain, "://")
	host, _, _ := strings.Cut(rest[strings.LastIndexByte(rest, '@')+1:], "/")
	switch {
	case strings.Contains(host, ","):
		return errors.New("has several hosts: mongodb+srv:// takes one host, whose SRV record names the servers")
	case strings.Contains(host, ":"):
		return errors.New("has a port: mongodb+srv:// takes a host without a port, which its SRV record tells")
	default:
		return nil
	}
}

// checkOptions lets the driver judge the parameters together, and the files that
// they name.
func checkOptions(plain string, params []string, srv bool) error {
	opts := options.Client().ApplyURI(withParams(plain, params...))
	err := opts.Validate()
	switch {
	case err != nil && opts.MinPoolSize != nil && opts.MaxPoolSize != nil && *opts.MinPoolSize > *opts.MaxPoolSize:
		return errors.New("has a minPoolSize above its maxPoolSize")
	case err != nil:
		return blameFile(params)
	case srv && opts.Direct != nil && *opts.Direct:
		return errors.New("has directConnection=true, which mongodb+srv:// does not permit")
	default:
		return nil
	}
}

// blameFile finds the parameter whose file the driver refuses.
func blameFile(params []string) error {
	var ofPair []string // the password of a client's key, and the two parameters of which each needs the other
	for _, param := range params {
		switch parameterName(param) {
		case "tlscertificatekeyfilepassword", "sslclientcertificatekeypassword", "tlscertificatefile", "tlsprivatekeyfile":
			ofPair = append(ofPair, param)
		}
	}
	for _, param := range params {
		name, _, _ := strings.Cut(param, "=")
		tried := []string{param}
		if lower := parameterName(param); lower != "tlscafile" && lower != "sslcertificateauthorityfile" {
			tried = append(tried, ofPair...)
		}
		err := options.Client().ApplyURI(withParams("mongodb://h/", tried...)).Validate()
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			return fmt.Errorf("names a file in %.40q that cannot be read: %w", name, path)
		}
		if err != nil && strings.HasSuffix(strings.ToLower(name), "file") {
			return fmt.Errorf("names a file in %.40q that holds no certificate or key that can be used", name)
		}
	}
	return errors.New("has parameters that do not fit one another, or its hosts or user")
}

// parameterName returns the name of a parameter in small letters, as the driver
// compares it.
func parameterName(param string) string {
	name, _, _ := strings.Cut(param, "=")
	return strings.ToLower(name)
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
