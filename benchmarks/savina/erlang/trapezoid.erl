-module(trapezoid).
-export([main/2, worker/5]).

main(Pieces, Workers) ->
    Me = self(),
    Width = 4.0 / Pieces,
    Share = Pieces div Workers,
    Numbers = lists:seq(0, Workers - 1),
    [spawn_link(?MODULE, worker, [Me, N, N * Share, (N + 1) * Share, Width]) || N <- Numbers],
    lists:sum([receive {area, N, Area} -> Area end || N <- Numbers]).

worker(Boss, Number, First, Last, Width) -> Boss ! {area, Number, area(First, Last, Width, 0.0)}.

area(Last, Last, Width, Total) -> Total * Width;
area(Piece, Last, Width, Total) ->
    X = 1.0 + Piece * Width,
    area(Piece + 1, Last, Width, Total + (f(X) + f(X + Width)) / 2).

f(X) -> 1 / (X + 1) * math:sqrt(1 + math:exp(math:sqrt(2 * X))) * math:sin(X * X * X - 1).
