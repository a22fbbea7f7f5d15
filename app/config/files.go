package config

import (
	"time"

	"chatbox/app/files"
	"chatbox/providers/clamd"
	filestore "chatbox/providers/files"
)

// Files says where uploaded files are stored and what is accepted.
type Files struct {
	Location    filestore.Location // not set: no uploads
	Types       []string
	Max         int64 // bytes
	BytesPerDay int64 // of one user
	FilesPerDay int   // of one user
	LinkTTL     time.Duration
	External    string // FilesLinked or FilesFetched
	Clamd       string // address of the virus scanner; empty: none
}

// Treatments of the address of a file elsewhere that a client sends.
const (
	FilesLinked  = "link"
	FilesFetched = "fetch"
)

// checkFiles returns the faults of settings of files that need one another.
func (c *Config) checkFiles() []error {
	if c.Files.External == FilesFetched && !c.Files.Location.Set() {
		return []error{fault("FILE_EXTERNAL", "needs FILES_URL: what is fetched is stored there")}
	}
	return nil
}

// fileVariables is the table of settings of uploaded files.
func fileVariables(c *Config) []variable {
	f := &c.Files
	return []variable{
		{
			name: "FILES_URL", set: func(s string) (err error) { f.Location, err = filestore.ParseLocation(s); return err },
			doc: "Where uploaded files are stored, sealed: file:///folder, which all pods must share, or s3://bucket?endpoint=https://host:port&region=name for S3 or a compatible store. " +
				"Credentials for S3 come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the machine's role. Default: there are no uploads.",
		},
		{
			name: "FILE_TYPES", def: "png,jpeg,gif,webp,pdf,txt,md,csv,json,docx,xlsx,pptx,odt,webm,ogg,m4a,mp3,wav,flac,mp4",
			set: func(s string) error { f.Types = list(s); return files.CheckTypes(f.Types) },
			doc: "Types of files that are accepted, separated by commas. The content decides the type.",
		},
		{name: "FILE_MAX", def: "100MiB", doc: "Maximum size of a file.", set: size64(&f.Max, 1, 4<<30)},
		{name: "FILE_BYTES_PER_DAY", def: "1GiB", doc: "Total size of the files that one user may upload per day (UTC), in the whole cluster.", set: size64(&f.BytesPerDay, 1, 1<<50)},
		{name: "FILES_PER_DAY", def: "200", doc: "Number of files that one user may upload per day (UTC), in the whole cluster.", set: number(&f.FilesPerDay, 1)},
		{name: "FILE_LINK_TTL", def: "5m", doc: "How long a link to a file is valid.", set: within(&f.LinkTTL, time.Second, day)},
		{
			name: "FILE_EXTERNAL", def: FilesLinked, set: oneOf(&f.External, FilesLinked, FilesFetched),
			doc: "What becomes of a file elsewhere, which a client sends by its https address: link shows the address, and no pod contacts it. " +
				"fetch lets the pod fetch the file within 5 s and keep it as an upload of the user. It needs FILES_URL and contacts public addresses only, directly and not through a proxy.",
		},
		{
			name: "CLAMD_ADDR", set: func(s string) error { f.Clamd = s; _, err := clamd.New(s); return err },
			doc: "Address of a ClamAV daemon that scans each file before it is accepted: host:port or unix:/path. While the daemon is unavailable, uploads fail with 503. Its StreamMaxLength must be at least FILE_MAX. Default: files are not scanned.",
		},
	}
}
