/* See LICENSE for the terms. */
/*
 * Linked into a build that counts (FLAVOUR=cov): a server process ends by
 * _exit(), which writes no counts.  By --wrap, the calls come here first.
 */
void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);

_Noreturn void
__wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}
