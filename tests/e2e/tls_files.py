"""An authority and certificates for tests, made by the openssl program."""

import pathlib
import subprocess


class Authority:
    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder)
        self.name = name
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                      "-subj", f"/CN=test authority {name}", "-keyout", self.key(name), "-out", self.certificate(name))

    def key(self, name):
        return self.folder / f"{name}.key"

    def certificate(self, name):
        return self.folder / f"{name}.pem"

    @property
    def path(self):
        return self.certificate(self.name)

    def issue(self, name, alternatives="IP:127.0.0.1,DNS:localhost"):
        """Signs a new key: (certificate, key)."""
        request = self.folder / f"{name}.csr"
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternatives}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", self.key(name), "-out", request)
        self._openssl("x509", "-req", "-days", "2", "-in", request, "-CA", self.path, "-CAkey", self.key(self.name),
                      "-CAcreateserial", "-extfile", extensions, "-out", self.certificate(name))
        return self.certificate(name), self.key(name)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
