package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	filestore "chatbox/providers/files"
)

func TestLoad_Files(t *testing.T) {
	c, err := Load(settings(), "")
	require.NoError(t, err)
	assert.False(t, c.Files.Location.Set(), "off")
	assert.EqualValues(t, 100<<20, c.Files.Max)
	assert.EqualValues(t, 1<<30, c.Files.BytesPerDay)
	assert.Equal(t, 200, c.Files.FilesPerDay)
	assert.Equal(t, 5*time.Minute, c.Files.LinkTTL)
	assert.Len(t, c.Files.Types, 20)
	assert.Equal(t, FilesLinked, c.Files.External)
	c, err = Load(settings("FILES_URL=file:///files", "FILE_EXTERNAL=fetch"), "")
	require.NoError(t, err)
	assert.Equal(t, FilesFetched, c.Files.External)

	c, err = Load(settings("FILES_URL=s3://kept?endpoint=http://minio:9000&region=eu", "FILE_TYPES=png, pdf", "FILE_MAX=2GiB", "FILE_BYTES_PER_DAY=40GiB",
		"FILES_PER_DAY=1", "FILE_LINK_TTL=30s", "CLAMD_ADDR=clamd:3310"), "")
	require.NoError(t, err)
	assert.Equal(t, filestore.Location{Bucket: "kept", Endpoint: "http://minio:9000", Region: "eu"}, c.Files.Location)
	assert.Equal(t, []string{"png", "pdf"}, c.Files.Types)
	assert.EqualValues(t, 2<<30, c.Files.Max, "more than 32 bits hold")
	assert.EqualValues(t, 40<<30, c.Files.BytesPerDay)
	for text, want := range map[string]int64{"1": 1, "64KiB": 64 << 10, "100MiB": 100 << 20, "1GiB": 1 << 30, "4294967296": 4 << 30} {
		c, err = Load(settings("FILE_MAX="+text), "")
		require.NoError(t, err, text)
		assert.Equal(t, want, c.Files.Max, text)
	}
}

// Each fault names its setting and repeats nothing that may be a secret.
func TestLoad_FaultsOfFiles(t *testing.T) {
	for _, bad := range []string{
		"FILES_URL=/var/lib/chatbox", "FILES_URL=file://var/lib", "FILES_URL=file:///", "FILES_URL=file:///a?b=c", "FILES_URL=s3://", "FILES_URL=s3://b/folder",
		"FILES_URL=s3://hunter2:hunter2@b", "FILES_URL=s3://b?endpoint=minio:9000", "FILES_URL=s3://b?endpoint=http://hunter2:hunter2@minio", "FILES_URL=s3://b?regoin=eu",
		"FILES_URL=s3://b?region=a&region=b", "FILES_URL=gs://b", "FILES_URL=ftp://hunter2@b", "FILES_URL=s3://%zz",
		"FILE_TYPES=png,exe", "FILE_TYPES=svg", "FILE_TYPES=.png", "FILE_TYPES=image/png", "FILE_TYPES=,",
		"FILE_MAX=0", "FILE_MAX=-1", "FILE_MAX=5GiB", "FILE_MAX=99999999999999999999", "FILE_MAX=9999999999GiB", "FILE_MAX=100MB", "FILE_MAX=1.5MiB", "FILE_MAX=MiB", "FILE_MAX=unlimited",
		"FILE_BYTES_PER_DAY=0", "FILE_BYTES_PER_DAY=9223372036854775807", "FILE_BYTES_PER_DAY=9007199254740993GiB", "FILES_PER_DAY=0", "FILES_PER_DAY=99999999999999999999", "FILES_PER_DAY=many",
		"FILE_LINK_TTL=0s", "FILE_LINK_TTL=500ms", "FILE_LINK_TTL=48h", "CLAMD_ADDR=clamd", "CLAMD_ADDR=http://clamd:3310", "FILE_EXTERNAL=fetch", "FILE_EXTERNAL=on",
	} {
		_, err := Load(settings(bad), "")
		name, _, _ := strings.Cut(bad, "=")
		if assert.Error(t, err, bad) {
			assert.Contains(t, err.Error(), name, bad)
			assert.NotContains(t, err.Error(), "hunter2", bad)
		}
	}
	_, err := Load(settings("FILES_URL=gs://b", "FILE_TYPES=exe", "FILE_MAX=x", "FILES_PER_DAY=0", "FILE_LINK_TTL=x"), "")
	require.Error(t, err)
	for _, name := range []string{"FILES_URL", "FILE_TYPES", "FILE_MAX", "FILES_PER_DAY", "FILE_LINK_TTL"} {
		assert.Contains(t, err.Error(), name, "all faults at once")
	}
}
