-module(fj_throughput).
-export([main/2, worker/3]).

main(Workers, Messages) ->
    Me = self(),
    Pool = [spawn_link(?MODULE, worker, [Me, Messages, 0]) || _ <- lists:seq(1, Workers)],
    [Pid ! Number || Number <- lists:seq(0, Messages - 1), Pid <- Pool],
    lists:sum([receive Total -> Total end || _ <- Pool]).

worker(Boss, 0, Total) -> Boss ! Total;
worker(Boss, Left, Total) ->
    receive Number -> worker(Boss, Left - 1, Total + compute(Number)) end.

compute(Number) ->
    Theta = math:sin(37.2),
    if Theta * Theta > 0 -> Number; true -> 0 end.
