"""The health of the web part, asked from inside its container: does the sign-in page answer?

Owns one request. It leaves with 0 where the page came, as health checks want it.
"""

import http.client
import sys

PORT = 8000
PATIENCE_SECONDS = 10


def main() -> int:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/account/login/", headers={"Host": "localhost"})
        return 0 if connection.getresponse().status == http.client.OK else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
