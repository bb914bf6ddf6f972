/* GetAddrInfoExW with an OVERLAPPED (row R8). No name here needs a network. */
#include "common.h"

typedef int (WSAAPI *RESULT)(OVERLAPPED *);
typedef int (WSAAPI *CANCEL)(HANDLE *);
static RESULT result_of; static CANCEL cancel;
static ADDRINFOEXW *found, numbers; static OVERLAPPED o; static HANDLE told; static DWORD code, thread;
static void CALLBACK routine(DWORD error, DWORD bytes, OVERLAPPED *which)
{
    (void)bytes; code = error; thread = GetCurrentThreadId(); SetEvent(which == &o ? told : NULL);
}
static int ask(const WCHAR *name, HANDLE event, void *by, OVERLAPPED *with, HANDLE *handle)
{
    memset(&o, 0, sizeof o); o.hEvent = event; found = NULL; ResetEvent(told);
    return GetAddrInfoExW(name, L"80", NS_DNS, NULL, &numbers, &found, NULL, with, by, handle);
}
int main(void)
{
    HMODULE dll; HANDLE event = ev(TRUE, FALSE), handle = NULL; int answer;
    start(); told = ev(TRUE, FALSE); dll = GetModuleHandleA("ws2_32.dll"); numbers.ai_flags = AI_NUMERICHOST;
    result_of = (RESULT)(void *)GetProcAddress(dll, "GetAddrInfoExOverlappedResult");
    cancel = (CANCEL)(void *)GetProcAddress(dll, "GetAddrInfoExCancel");
    row("R8", "no OVERLAPPED"); see(nm(ask(L"127.0.0.1", NULL, NULL, NULL, &handle))); num(found != NULL);
    row("R8", "an event"); see(nm(ask(L"127.0.0.1", event, NULL, &o, &handle))); see(W(WaitForSingleObject(event, ROOM)));
    see(nm(result_of(&o))); see(nm(o.Internal)); num(o.Pointer == &found); num(found != NULL);
    row("R8", "cancelled afterwards"); see(nm(cancel(&handle)));
    row("R8", "a routine"); answer = ask(L"127.0.0.1", NULL, (void *)routine, &o, NULL); see(nm(answer));
    see(W(WaitForSingleObject(told, ROOM))); see(nm(code)); num(thread != GetCurrentThreadId());
    row("R8", "no such host, with an event"); ResetEvent(event); see(nm(ask(L"no number", event, NULL, &o, NULL)));
    see(W(WaitForSingleObject(event, ROOM))); see(nm(result_of(&o))); see(nm(o.Internal)); num(found != NULL);
    row("R8", "no such host, with a routine"); see(nm(ask(L"no number", NULL, (void *)routine, &o, NULL)));
    see(W(WaitForSingleObject(told, ROOM))); see(nm(code)); see(nm(o.Internal));
    row("R8", "an event and a routine"); see(nm(ask(L"127.0.0.1", event, (void *)routine, &o, NULL)));
    row("R8", "a routine without an OVERLAPPED"); see(nm(ask(L"127.0.0.1", NULL, (void *)routine, NULL, NULL)));
    row("R8", "neither event nor routine"); see(nm(ask(L"127.0.0.1", NULL, NULL, &o, NULL)));
    row("R8", "neither name"); see(nm(GetAddrInfoExW(NULL, NULL, NS_DNS, NULL, NULL, &found, NULL, NULL, NULL, NULL)));
    row("R8", "the result of NULL"); see(nm(result_of(NULL)));
    row("R8", "cancelling what never was"); handle = (HANDLE)0x999; see(nm(cancel(&handle)));
    return finish();
}
