package devstack

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// secrets are generated on the first run and stored beside the data that they
// protect.
type secrets struct {
	jwt        []byte
	encryption string // 64 hex digits
}

func loadSecrets(dir string) (secrets, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return secrets{}, fmt.Errorf("data folder: %w", err)
	}
	signing, err := secretFile(filepath.Join(dir, "jwt.secret"))
	if err != nil {
		return secrets{}, err
	}
	encryption, err := secretFile(filepath.Join(dir, "encryption.key"))
	return secrets{jwt: []byte(signing), encryption: encryption}, err
}

// secretFile reads 32 random bytes in hex from the file, or creates it.
func secretFile(path string) (string, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the operator named the folder
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("secret: %w", err)
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	s := hex.EncodeToString(raw[:])
	if err := os.WriteFile(path, []byte(s+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	return s, nil
}

// tokenLife is how long the printed links are valid.
const tokenLife = 12 * time.Hour

// Token signs a token for this stack.
func (s *Stack) Token(userID, name string, roles ...string) (string, error) {
	claims := jwt.MapClaims{
		"user_id": userID, "name": name, "iat": time.Now().Unix(), "exp": time.Now().Add(tokenLife).Unix(),
	}
	if len(roles) > 0 {
		claims["roles"] = roles
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(s.secrets.jwt)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// Secret returns the key that signs this stack's tokens.
func (s *Stack) Secret() []byte { return s.secrets.jwt }
