/* The catalog's list, and addresses as text (rows R). */
#include "common.h"

static WCHAR text[128]; static struct sockaddr_in x; static DWORD n;
static const char *read_text(const WCHAR *from, int family, int room_for)
{
    int size = room_for; memset(&x, 0, sizeof x);
    const char *result = E(WSAStringToAddressW((WCHAR *)from, family, NULL, (SA *)&x, &size));
    char *t = room(); sprintf(t, "%s size %d", result, size); return t;
}
int main(void)
{
    int tcp[] = {6, 0}, none[] = {77, 0}; static char buffer[65536];
    start();
    row("R6", "short buffer"); n = 4; see(E(WSAEnumProtocolsW(NULL, (void *)buffer, &n))); num(n % 628); num(n > 628);
    row("R6", "TCP only"); n = sizeof buffer; see(E(WSAEnumProtocolsW(tcp, (void *)buffer, &n)));
    row("R6", "an unknown protocol"); n = sizeof buffer; see(E(WSAEnumProtocolsW(none, (void *)buffer, &n)));
    x = lo(80);
    row("R7", "address to text"); n = 128; see(E(WSAAddressToStringW((SA *)&x, sizeof x, NULL, text, &n))); num(n);
    num(lstrlenW(text));
    row("R7", "address to text, short"); n = 5; see(E(WSAAddressToStringW((SA *)&x, sizeof x, NULL, text, &n))); num(n);
    row("R7", "text to address"); see(read_text(L"127.0.0.1:80", AF_INET, sizeof x)); num(ntohs(x.sin_port));
    row("R7", "text to address, short"); see(read_text(L"127.0.0.1", AF_INET, 4));
    row("R7", "text to address, wrong"); see(read_text(L"127.0.0.x", AF_INET, sizeof x));
    row("R7", "text to address, family 0"); see(read_text(L"127.0.0.1", 0, sizeof x));
    return finish();
}
